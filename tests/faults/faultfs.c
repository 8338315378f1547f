/* Copyright: (c) 2026, scaleout.ingest contributors */
/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A file system that passes everything through to a directory, but for faults and delays.
 *
 *   faultfs BACKING MOUNTPOINT [-f] [-o fuse options]
 *
 * The file .faults at the top of the mount takes rules, one a line, and counts calls when read:
 *
 *   op=read match=*.bin do=error errno=5 from=65536 skip=2 times=1
 *
 *   op      getattr access readlink mknod mkdir unlink rmdir symlink rename link chmod chown truncate
 *           open create read write flush fsync statfs setxattr getxattr listxattr removexattr opendir
 *           readdir utimens lseek, or * for all
 *   match   pattern of the name, or of the whole path from the mount if it has a slash
 *   do      error (errno=N), ignore (success without doing it), vanish, grow, shrink, rewrite (the
 *           file, then go on), turn (it into a directory, then go on), short (half of what was
 *           asked), corrupt (a flipped bit), coarse (of utimens: whole seconds), hang (until it is
 *           unmounted), twice (of readdir: an entry is given two times), again (of readdir: from the
 *           first entry on, as if the server's cookies had changed)
 *   from    only where a read or write touches bytes at or after it; of readdir: after that many entries
 *   skip    the first N matching calls pass;  times  then N are hit, 0 for all
 *
 *   delay=MICROSECONDS   each call takes that much longer, the reading of a directory once for each
 *                        part of it; how many calls took it at once at most is "at_once"
 *   fold                 A to Z are a to z in names, as on a file system that ignores case
 *   clear                forget all rules, the delay, fold and the counts
 */
#define _GNU_SOURCE
#define FUSE_USE_VERSION 31
#include <fuse.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

enum op { GETATTR, ACCESS, READLINK, MKNOD, MKDIR, UNLINK, RMDIR, SYMLINK, RENAME, LINK, CHMOD, CHOWN,
	TRUNCATE, OPEN, CREATE, READ, WRITE, FLUSH, FSYNC, STATFS, SETXATTR, GETXATTR, LISTXATTR,
	REMOVEXATTR, OPENDIR, READDIR, UTIMENS, LSEEK, OPS };
static const char *names[OPS] = { "getattr", "access", "readlink", "mknod", "mkdir", "unlink", "rmdir",
	"symlink", "rename", "link", "chmod", "chown", "truncate", "open", "create", "read", "write",
	"flush", "fsync", "statfs", "setxattr", "getxattr", "listxattr", "removexattr", "opendir",
	"readdir", "utimens", "lseek" };
enum act { ERROR, IGNORE, VANISH, GROW, SHRINK, REWRITE, SHORT, CORRUPT, COARSE, HANG, TWICE, AGAIN, TURN, ACTS };
static const char *acts[ACTS] = { "error", "ignore", "vanish", "grow", "shrink", "rewrite", "short",
	"corrupt", "coarse", "hang", "twice", "again", "turn" };

struct rule { int op; enum act act; char match[NAME_MAX + 1]; int error; long long from; long skip, times; };
static struct rule rules[64];
static int count;
static long delay;
static int fold;
static unsigned long long calls[OPS];
static int under_way, at_once;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int root;
#define CONTROL "/.faults"
#define PASS 1 /* act() found nothing to do */

/* An open file that somebody has unlinked comes with no path. */
static int is_control(const char *path)
{
	return path && !strcmp(path, CONTROL);
}

/* Valid until the next but one call in this thread. */
static const char *rel(const char *path)
{
	static __thread char folded[2][PATH_MAX];
	static __thread int turn;
	if (!path[1])
		return ".";
	if (!fold)
		return path + 1;
	char *to = folded[turn ^= 1];
	for (size_t i = 0; i < PATH_MAX - 1 && (to[i] = tolower((unsigned char)path[i + 1])); i++)
		;
	return to;
}

static int parse(char *line)
{
	struct rule r = { .op = -1, .act = ERROR, .match = "*", .error = EIO };
	char *save = NULL, *word;
	if (!strncmp(line, "clear", 5)) {
		count = 0;
		delay = 0;
		fold = 0;
		memset(calls, 0, sizeof calls);
		at_once = 0;
		return 0;
	}
	if (sscanf(line, "delay=%ld", &delay) == 1)
		return 0;
	if (!strncmp(line, "fold", 4)) {
		fold = 1;
		return 0;
	}
	for (word = strtok_r(line, " \t", &save); word; word = strtok_r(NULL, " \t", &save)) {
		char *value = strchr(word, '=');
		if (!value)
			return -EINVAL;
		*value++ = 0;
		if (!strcmp(word, "op")) {
			r.op = strcmp(value, "*") ? -2 : OPS;
			for (int i = 0; i < OPS; i++)
				if (!strcmp(value, names[i]))
					r.op = i;
		} else if (!strcmp(word, "do")) {
			r.act = ACTS;
			for (int i = 0; i < ACTS; i++)
				if (!strcmp(value, acts[i]))
					r.act = i;
		} else if (!strcmp(word, "match"))
			snprintf(r.match, sizeof r.match, "%s", value);
		else if (!strcmp(word, "errno"))
			r.error = atoi(value);
		else if (!strcmp(word, "from"))
			r.from = atoll(value);
		else if (!strcmp(word, "skip"))
			r.skip = atol(value);
		else if (!strcmp(word, "times"))
			r.times = atol(value) ? atol(value) : -1;
		else
			return -EINVAL;
	}
	if (r.op < 0 || r.act == ACTS || count == 64)
		return -EINVAL;
	if (!r.times)
		r.times = -1;
	rules[count++] = r;
	return 0;
}

/* Change the file below, as somebody else would. */
static void meddle(enum act act, const char *path)
{
	struct stat st;
	int fd;
	if (act == VANISH || act == TURN) {
		unlinkat(root, rel(path), 0);
		if (act == TURN)
			mkdirat(root, rel(path), 0755);
		return;
	}
	fd = openat(root, rel(path), O_RDWR);
	if (fd < 0)
		return;
	fstat(fd, &st);
	if (act == GROW && pwrite(fd, "more than before", 16, st.st_size) < 0)
		perror("grow");
	if (act == SHRINK && ftruncate(fd, st.st_size / 2) < 0)
		perror("shrink");
	char text[65536];
	for (size_t i = 0; i < sizeof text; i++)
		text[i] = "REWRITE!"[i % 8];
	for (off_t at = 0; act == REWRITE && at < st.st_size; at += sizeof text)
		if (pwrite(fd, text, st.st_size - at < (off_t)sizeof text ? (size_t)(st.st_size - at) : sizeof text, at) < 0)
			perror("rewrite");
	close(fd);
}

static void wait_us(long us)
{
	struct timespec ts = { us / 1000000, us % 1000000 * 1000 };
	nanosleep(&ts, NULL);
}

/* Count the call, delay it, find its fault: PASS, 0 for "ignore", a negative errno, or an act + 2. */
static int act(enum op op, const char *path, long long end)
{
	if (!path)
		path = "/(unlinked)";
	const char *name = strrchr(path, '/') + 1;
	int found = PASS;
	enum act what = ACTS;
	if (is_control(path))
		return PASS;
	pthread_mutex_lock(&lock);
	calls[op]++;
	for (int i = 0; i < count && found == PASS; i++) {
		struct rule *r = &rules[i];
		if (r->op != OPS && r->op != (int)op)
			continue;
		if (fnmatch(r->match, strchr(r->match, '/') ? path : name, 0) || (end >= 0 && end <= r->from))
			continue;
		if (r->skip > 0) {
			r->skip--;
			continue;
		}
		if (!r->times)
			continue;
		if (r->times > 0)
			r->times--;
		what = r->act;
		found = what == ERROR ? -r->error : what == IGNORE ? 0 : (int)what + 2;
	}
	if (++under_way > at_once)
		at_once = under_way;
	pthread_mutex_unlock(&lock);
	if (delay && op != READDIR)
		wait_us(delay);
	pthread_mutex_lock(&lock);
	under_way--;
	pthread_mutex_unlock(&lock);
	while (what == HANG)
		wait_us(100000);
	if (what == VANISH || what == GROW || what == SHRINK || what == REWRITE || what == TURN) {
		meddle(what, path);
		return PASS;
	}
	return found;
}
#define FAULT(op, path) do { int f_ = act(op, path, -1); if (f_ <= 0) return f_; } while (0)
#define DONE(call) return (call) < 0 ? -errno : 0

/* An absolute path of the backing file, for the calls that have no *at form. */
static const char *full(const char *path, char *buffer)
{
	snprintf(buffer, PATH_MAX, "/proc/self/fd/%d/%s", root, rel(path));
	return buffer;
}

static int f_getattr(const char *path, struct stat *st, struct fuse_file_info *fi)
{
	if (is_control(path)) {
		memset(st, 0, sizeof *st);
		st->st_mode = S_IFREG | 0600;
		st->st_nlink = 1;
		st->st_uid = getuid();
		st->st_gid = getgid();
		st->st_size = 4096;
		return 0;
	}
	FAULT(GETATTR, path);
	if (fi)
		DONE(fstat(fi->fh, st));
	DONE(fstatat(root, rel(path), st, AT_SYMLINK_NOFOLLOW));
}

static int f_readlink(const char *path, char *buffer, size_t size)
{
	FAULT(READLINK, path);
	ssize_t n = readlinkat(root, rel(path), buffer, size - 1);
	if (n < 0)
		return -errno;
	buffer[n] = 0;
	return 0;
}

/* What we made belongs to the caller. */
static int own(const char *path)
{
	struct fuse_context *c = fuse_get_context();
	if (geteuid() == 0 && (c->uid || c->gid))
		DONE(fchownat(root, rel(path), c->uid, c->gid, AT_SYMLINK_NOFOLLOW));
	return 0;
}

static int f_mknod(const char *path, mode_t mode, dev_t dev)
{
	FAULT(MKNOD, path);
	return mknodat(root, rel(path), mode, dev) < 0 ? -errno : own(path);
}
static int f_mkdir(const char *path, mode_t mode)
{
	FAULT(MKDIR, path);
	return mkdirat(root, rel(path), mode) < 0 ? -errno : own(path);
}
static int f_unlink(const char *path) { FAULT(UNLINK, path); DONE(unlinkat(root, rel(path), 0)); }
static int f_rmdir(const char *path) { FAULT(RMDIR, path); DONE(unlinkat(root, rel(path), AT_REMOVEDIR)); }
static int f_symlink(const char *to, const char *path)
{
	FAULT(SYMLINK, path);
	return symlinkat(to, root, rel(path)) < 0 ? -errno : own(path);
}
static int f_rename(const char *from, const char *to, unsigned int flags)
{
	FAULT(RENAME, to);
	DONE(renameat2(root, rel(from), root, rel(to), flags));
}
static int f_link(const char *from, const char *to) { FAULT(LINK, to); DONE(linkat(root, rel(from), root, rel(to), 0)); }
static int f_chmod(const char *path, mode_t mode, struct fuse_file_info *fi)
{
	FAULT(CHMOD, path);
	if (fi)
		DONE(fchmod(fi->fh, mode));
	DONE(fchmodat(root, rel(path), mode, 0));
}
static int f_chown(const char *path, uid_t uid, gid_t gid, struct fuse_file_info *fi)
{
	FAULT(CHOWN, path);
	if (fi)
		DONE(fchown(fi->fh, uid, gid));
	DONE(fchownat(root, rel(path), uid, gid, AT_SYMLINK_NOFOLLOW));
}
static int f_truncate(const char *path, off_t size, struct fuse_file_info *fi)
{
	char buffer[PATH_MAX];
	if (is_control(path))
		return 0;
	FAULT(TRUNCATE, path);
	if (fi)
		DONE(ftruncate(fi->fh, size));
	DONE(truncate(full(path, buffer), size));
}

static int f_open(const char *path, struct fuse_file_info *fi)
{
	fi->direct_io = 1; /* each read of the program is a call here */
	if (is_control(path))
		return 0;
	FAULT(OPEN, path);
	int fd = openat(root, rel(path), fi->flags & ~O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	fi->fh = fd;
	return 0;
}
static int f_create(const char *path, mode_t mode, struct fuse_file_info *fi)
{
	fi->direct_io = 1;
	FAULT(CREATE, path);
	int fd = openat(root, rel(path), fi->flags & ~O_NOFOLLOW, mode);
	if (fd < 0)
		return -errno;
	fi->fh = fd;
	return own(path);
}

static int f_read(const char *path, char *buffer, size_t size, off_t at, struct fuse_file_info *fi)
{
	if (is_control(path)) {
		char text[2048];
		size_t n = 0;
		for (int i = 0; i < OPS; i++)
			n += snprintf(text + n, sizeof text - n, "%s %llu\n", names[i], calls[i]);
		n += snprintf(text + n, sizeof text - n, "at_once %d\n", at_once);
		if ((size_t)at >= n)
			return 0;
		n = n - at < size ? n - at : size;
		memcpy(buffer, text + at, n);
		return n;
	}
	int f = act(READ, path, at + size);
	if (f <= 0)
		return f;
	if (f == SHORT + 2)
		size = size > 1 ? size / 2 : size;
	ssize_t n = pread(fi->fh, buffer, size, at);
	if (n > 0 && f == CORRUPT + 2)
		buffer[n / 2] ^= 1;
	return n < 0 ? -errno : n;
}

static int f_write(const char *path, const char *data, size_t size, off_t at, struct fuse_file_info *fi)
{
	if (is_control(path)) {
		char text[8192], *save = NULL, *line;
		int error = 0;
		snprintf(text, sizeof text, "%.*s", (int)size, data);
		pthread_mutex_lock(&lock);
		for (line = strtok_r(text, "\n", &save); line && !error; line = strtok_r(NULL, "\n", &save))
			error = parse(line);
		pthread_mutex_unlock(&lock);
		return error ? error : (int)size;
	}
	int f = act(WRITE, path, at + size);
	if (f < 0)
		return f;
	if (f == 0)
		return size;
	if (f == SHORT + 2)
		size = size > 1 ? size / 2 : size;
	if (f == CORRUPT + 2 && size) {
		char *copy = malloc(size);
		memcpy(copy, data, size);
		copy[size / 2] ^= 1;
		ssize_t n = pwrite(fi->fh, copy, size, at);
		free(copy);
		return n < 0 ? -errno : n;
	}
	ssize_t n = pwrite(fi->fh, data, size, at);
	return n < 0 ? -errno : n;
}

static int f_flush(const char *path, struct fuse_file_info *fi)
{
	(void)fi;
	FAULT(FLUSH, path);
	return 0;
}
static int f_release(const char *path, struct fuse_file_info *fi)
{
	if (!is_control(path))
		close(fi->fh);
	return 0;
}
static int f_fsync(const char *path, int data, struct fuse_file_info *fi)
{
	(void)data;
	FAULT(FSYNC, path);
	DONE(fsync(fi->fh));
}
static int f_statfs(const char *path, struct statvfs *st)
{
	FAULT(STATFS, path);
	DONE(fstatvfs(root, st));
}
static off_t f_lseek(const char *path, off_t at, int whence, struct fuse_file_info *fi)
{
	FAULT(LSEEK, path);
	off_t found = lseek(fi->fh, at, whence);
	return found < 0 ? -errno : found;
}

static int f_setxattr(const char *path, const char *name, const char *value, size_t size, int flags)
{
	char buffer[PATH_MAX];
	FAULT(SETXATTR, path);
	DONE(lsetxattr(full(path, buffer), name, value, size, flags));
}
static int f_getxattr(const char *path, const char *name, char *value, size_t size)
{
	char buffer[PATH_MAX];
	FAULT(GETXATTR, path);
	ssize_t n = lgetxattr(full(path, buffer), name, value, size);
	return n < 0 ? -errno : n;
}
static int f_listxattr(const char *path, char *list, size_t size)
{
	char buffer[PATH_MAX];
	FAULT(LISTXATTR, path);
	ssize_t n = llistxattr(full(path, buffer), list, size);
	return n < 0 ? -errno : n;
}
static int f_removexattr(const char *path, const char *name)
{
	char buffer[PATH_MAX];
	FAULT(REMOVEXATTR, path);
	DONE(lremovexattr(full(path, buffer), name));
}

static int f_opendir(const char *path, struct fuse_file_info *fi)
{
	FAULT(OPENDIR, path);
	int fd = openat(root, rel(path), O_RDONLY | O_DIRECTORY);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir)
		return -errno;
	fi->fh = (uintptr_t)dir;
	return 0;
}
static int f_readdir(const char *path, void *buffer, fuse_fill_dir_t fill, off_t at,
		     struct fuse_file_info *fi, enum fuse_readdir_flags flags)
{
	DIR *dir = (DIR *)(uintptr_t)fi->fh;
	struct dirent *entry;
	off_t n = 0;
	int given = 0;
	(void)flags;
	if (delay)
		wait_us(delay);
	rewinddir(dir);
	for (; (errno = 0, entry = readdir(dir)); n++) {
		struct stat st = { .st_ino = entry->d_ino, .st_mode = DTTOIF(entry->d_type) };
		if (n < at)
			continue;
		/* What was listed before the fault is given first. */
		int f = act(READDIR, path, n + 1);
		if (f < 0)
			return given ? 0 : f;
		if (f == SHORT + 2)
			return 0;
		if (fill(buffer, entry->d_name, &st, n + 1, 0))
			return 0;
		given = 1;
		if (f == TWICE + 2 && fill(buffer, entry->d_name, &st, n + 1, 0))
			return 0;
		if (f == AGAIN + 2) {
			rewinddir(dir);
			n = -1;
		}
	}
	return -errno;
}
static int f_releasedir(const char *path, struct fuse_file_info *fi)
{
	(void)path;
	closedir((DIR *)(uintptr_t)fi->fh);
	return 0;
}

static int f_utimens(const char *path, const struct timespec times[2], struct fuse_file_info *fi)
{
	struct timespec kept[2] = { times[0], times[1] };
	int f = act(UTIMENS, path, -1);
	if (f <= 0)
		return f;
	for (int i = 0; i < 2; i++)
		if (f == COARSE + 2 && kept[i].tv_nsec < 1000000000)
			kept[i].tv_nsec = 0;
	if (fi)
		DONE(futimens(fi->fh, kept));
	DONE(utimensat(root, rel(path), kept, AT_SYMLINK_NOFOLLOW));
}

static void *f_init(struct fuse_conn_info *connection, struct fuse_config *config)
{
	(void)connection;
	config->use_ino = 1;
	config->hard_remove = 1;
	config->nullpath_ok = 0;
	return NULL;
}

static const struct fuse_operations operations = {
	.init = f_init, .getattr = f_getattr, .readlink = f_readlink, .mknod = f_mknod, .mkdir = f_mkdir,
	.unlink = f_unlink, .rmdir = f_rmdir, .symlink = f_symlink, .rename = f_rename, .link = f_link,
	.chmod = f_chmod, .chown = f_chown, .truncate = f_truncate, .open = f_open, .create = f_create,
	.read = f_read, .write = f_write, .flush = f_flush, .release = f_release, .fsync = f_fsync,
	.statfs = f_statfs, .setxattr = f_setxattr, .getxattr = f_getxattr, .listxattr = f_listxattr,
	.removexattr = f_removexattr, .opendir = f_opendir, .readdir = f_readdir,
	.releasedir = f_releasedir, .utimens = f_utimens, .lseek = f_lseek,
};

int main(int argc, char **argv)
{
	if (argc < 3) {
		fprintf(stderr, "usage: %s BACKING MOUNTPOINT [-f] [-o options]\n", argv[0]);
		return 2;
	}
	root = open(argv[1], O_RDONLY | O_DIRECTORY);
	if (root < 0) {
		perror(argv[1]);
		return 1;
	}
	umask(0);
	argv[1] = argv[0];
	return fuse_main(argc - 1, argv + 1, &operations, NULL);
}
