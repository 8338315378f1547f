-- The index as plugins/module_utils/index/schema.py makes it: a synthetic one must not follow by
-- itself.
PRAGMA user_version=2;
CREATE TABLE directories(id INTEGER PRIMARY KEY, parent INTEGER, path BLOB, sort BLOB,
  depth INTEGER, inode INTEGER, device INTEGER, mode INTEGER, uid INTEGER, gid INTEGER,
  nlink INTEGER, blocks INTEGER, atime INTEGER, mtime INTEGER, ctime INTEGER, entries INTEGER,
  files INTEGER, bytes INTEGER, disk INTEGER, subdirectories INTEGER, first INTEGER, last INTEGER,
  names INTEGER);
CREATE TABLE entries(id INTEGER PRIMARY KEY, directory INTEGER, name BLOB, type TEXT,
  inode INTEGER, device INTEGER, mode INTEGER, nlink INTEGER, uid INTEGER, gid INTEGER,
  size INTEGER, blocks INTEGER, rdev INTEGER, atime INTEGER, mtime INTEGER, ctime INTEGER);
CREATE TABLE errors(path BLOB, operation TEXT, errno INTEGER, message TEXT);
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT);
