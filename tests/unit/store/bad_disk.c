#include "bad_disk.h"
#include <sqlite3.h>
#include <string.h>

/* SQLite allocates szOsFile bytes per file: this struct, followed by that of the real VFS. */
struct file {
    sqlite3_file base;
    int is_main;
};

static sqlite3_vfs disk;
static sqlite3_vfs *real;
static enum bad_disk state;

static sqlite3_file *inner(sqlite3_file *file)
{
    return (sqlite3_file *)((struct file *)file + 1);
}

#define CALL(file, method, ...) inner(file)->pMethods->method(inner(file), ##__VA_ARGS__)

static int do_close(sqlite3_file *f)
{
    return CALL(f, xClose);
}

static int do_read(sqlite3_file *f, void *data, int size, sqlite3_int64 at)
{
    return CALL(f, xRead, data, size, at);
}

static int do_write(sqlite3_file *f, const void *data, int size, sqlite3_int64 at)
{
    return state == BAD_DISK_WRITE ? SQLITE_IOERR_WRITE : CALL(f, xWrite, data, size, at);
}

static int do_truncate(sqlite3_file *f, sqlite3_int64 size)
{
    return CALL(f, xTruncate, size);
}

static int do_sync(sqlite3_file *f, int flags)
{
    int fails =
        state == BAD_DISK_SYNC || (state == BAD_DISK_SYNC_MAIN && ((struct file *)f)->is_main);
    return fails ? SQLITE_IOERR_FSYNC : CALL(f, xSync, flags);
}

static int do_size(sqlite3_file *f, sqlite3_int64 *size)
{
    return CALL(f, xFileSize, size);
}

static int do_lock(sqlite3_file *f, int level)
{
    return CALL(f, xLock, level);
}

static int do_unlock(sqlite3_file *f, int level)
{
    return CALL(f, xUnlock, level);
}

static int do_reserved(sqlite3_file *f, int *out)
{
    return CALL(f, xCheckReservedLock, out);
}

static int do_control(sqlite3_file *f, int op, void *argument)
{
    return CALL(f, xFileControl, op, argument);
}

static int do_sector(sqlite3_file *f)
{
    return CALL(f, xSectorSize);
}

static int do_traits(sqlite3_file *f)
{
    return CALL(f, xDeviceCharacteristics);
}

static int do_map(sqlite3_file *f, int page, int size, int extend, void volatile **out)
{
    return CALL(f, xShmMap, page, size, extend, out);
}

static int do_shm_lock(sqlite3_file *f, int offset, int count, int flags)
{
    return CALL(f, xShmLock, offset, count, flags);
}

static void do_barrier(sqlite3_file *f)
{
    CALL(f, xShmBarrier);
}

static int do_unmap(sqlite3_file *f, int remove)
{
    return CALL(f, xShmUnmap, remove);
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = do_close,
    .xRead = do_read,
    .xWrite = do_write,
    .xTruncate = do_truncate,
    .xSync = do_sync,
    .xFileSize = do_size,
    .xLock = do_lock,
    .xUnlock = do_unlock,
    .xCheckReservedLock = do_reserved,
    .xFileControl = do_control,
    .xSectorSize = do_sector,
    .xDeviceCharacteristics = do_traits,
    .xShmMap = do_map,
    .xShmLock = do_shm_lock,
    .xShmBarrier = do_barrier,
    .xShmUnmap = do_unmap,
};

static int do_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *out)
{
    (void)vfs;
    int rc = real->xOpen(real, name, inner(f), flags, out);
    f->pMethods = inner(f)->pMethods ? &methods : NULL;
    ((struct file *)f)->is_main = (flags & SQLITE_OPEN_MAIN_DB) != 0;
    return rc;
}

void bad_disk_insert(void)
{
    real = sqlite3_vfs_find(NULL);
    disk = *real;
    disk.zName = "bad-disk";
    disk.szOsFile = (int)sizeof(struct file) + real->szOsFile;
    disk.xOpen = do_open;
    state = BAD_DISK_WELL;
    sqlite3_vfs_register(&disk, 1);
}

void bad_disk_remove(void)
{
    sqlite3_vfs_unregister(&disk);
    sqlite3_vfs_register(real, 1);
}

void bad_disk_set(enum bad_disk how)
{
    state = how;
}
