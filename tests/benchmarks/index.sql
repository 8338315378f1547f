-- The index as plugins/module_utils/index/schema.py makes it: a synthetic one must not follow by
-- itself.
PRAGMA user_version=3;
CREATE TABLE raw_directories(id INTEGER PRIMARY KEY, parent INTEGER, path BLOB, sort BLOB, depth
  INTEGER, inode INTEGER, device INTEGER, mode INTEGER, uid INTEGER, gid INTEGER, nlink INTEGER,
  blocks INTEGER, atime INTEGER, mtime INTEGER, ctime INTEGER, entries INTEGER, files INTEGER,
  bytes INTEGER, disk INTEGER, subdirectories INTEGER, first INTEGER, last INTEGER, names INTEGER,
  state INTEGER, different INTEGER, name BLOB, size INTEGER, blksize INTEGER, pinode INTEGER,
  xattr_names BLOB, links INTEGER, allblocks INTEGER, minsize INTEGER, maxsize INTEGER, minatime
  INTEGER, maxatime INTEGER, minmtime INTEGER, maxmtime INTEGER, minctime INTEGER, maxctime
  INTEGER, minuid INTEGER, maxuid INTEGER, mingid INTEGER, maxgid INTEGER, owners TEXT, groups
  TEXT);
CREATE TABLE raw_entries(id INTEGER PRIMARY KEY, directory INTEGER, name BLOB, type TEXT, inode
  INTEGER, device INTEGER, mode INTEGER, nlink INTEGER, uid INTEGER, gid INTEGER, size INTEGER,
  blocks INTEGER, rdev INTEGER, atime INTEGER, mtime INTEGER, ctime INTEGER, state INTEGER,
  blksize INTEGER);
CREATE TABLE raw_details(id INTEGER PRIMARY KEY, linkname BLOB, xattr_names BLOB);
CREATE TABLE errors(path BLOB, operation TEXT, errno INTEGER, message TEXT);
CREATE TABLE twins(id INTEGER PRIMARY KEY, device INTEGER, inode INTEGER);
CREATE TABLE extras(path BLOB, type TEXT);
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT);
