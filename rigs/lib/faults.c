// Loaded into an application (LD_PRELOAD): makes chosen calls of the C library on the files of one outbox fail. What to do
// stands in a file that the rig and the application map, so that one process serves any number of faults; strace, which can do
// the same, needs a start or an attachment for each.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#define SLOTS 4
#define CALLS 6
#define FILES 5
#define FDS 65536
#define TIMES 4096

#define HALF -1
#define SILENT -2

enum call { FSYNC, FDATASYNC, PWRITE, WRITE, OPEN, FTRUNCATE };
// NONE is every file that is not of the outbox; ANY, in a slot, every file that is.
enum file { NONE, MAIN, LOG, SHARED, OTHER, ANY };

// The words of rigs/lib/faults.mjs: the same order there.
struct slot {
  _Atomic int64_t armed, call, file, error, after, times;
};
struct board {
  struct slot slots[SLOTS];
  _Atomic int64_t seen[CALLS][FILES];
  _Atomic int64_t failed;
  _Atomic int64_t at[TIMES];
};

static struct board *board;
static const char *outbox;
static _Atomic unsigned char kinds[FDS];

__attribute__((constructor)) static void begin(void) {
  outbox = getenv("HL7_RIG_FAULTS_OUTBOX");
  const char *file = getenv("HL7_RIG_FAULTS_BOARD");
  if (outbox == NULL || file == NULL) return;
  int fd = open(file, O_RDWR | O_CLOEXEC);
  if (fd < 0) abort();
  void *mapped = mmap(NULL, sizeof(struct board), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (mapped == MAP_FAILED) abort();
  close(fd);
  board = mapped;
}

static enum file kind_of(const char *path) {
  if (board == NULL || path == NULL) return NONE;
  size_t length = strlen(outbox);
  if (strncmp(path, outbox, length) != 0) return NONE;
  const char *ending = path + length;
  if (*ending == 0) return MAIN;
  if (strcmp(ending, "-wal") == 0) return LOG;
  if (strcmp(ending, "-shm") == 0) return SHARED;
  return OTHER;
}

static enum file kind_at(int fd) { return board == NULL || fd < 0 || fd >= FDS ? NONE : kinds[fd]; }

// The error to fail with, or 0; HALF and SILENT are no errors but ways to write less than was asked for.
static int fault(enum call call, enum file kind) {
  if (kind == NONE) return 0;
  board->seen[call][kind]++;
  for (int n = 0; n < SLOTS; n++) {
    struct slot *slot = &board->slots[n];
    if (!slot->armed || slot->call != call || (slot->file != ANY && slot->file != kind)) continue;
    if (slot->after > 0) {
      slot->after--;
      continue;
    }
    if (slot->times <= 0) continue;
    slot->times--;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    board->at[board->failed % TIMES] = now.tv_sec * 1000000LL + now.tv_nsec / 1000;
    board->failed++;
    return (int)slot->error;
  }
  return 0;
}

#define REAL(type, name, ...) \
  static type (*real)(__VA_ARGS__); \
  if (real == NULL) real = (type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)
#define FAIL(call, kind) \
  int error = fault(call, kind); \
  if (error > 0) { errno = error; return -1; }

int fsync(int fd) {
  REAL(int, "fsync", int);
  FAIL(FSYNC, kind_at(fd));
  return real(fd);
}

int fdatasync(int fd) {
  REAL(int, "fdatasync", int);
  FAIL(FDATASYNC, kind_at(fd));
  return real(fd);
}

ssize_t pwrite64(int fd, const void *data, size_t length, off64_t offset) {
  REAL(ssize_t, "pwrite64", int, const void *, size_t, off64_t);
  FAIL(PWRITE, kind_at(fd));
  if (error == SILENT) return (ssize_t)length;
  return real(fd, data, error == HALF ? (length + 1) / 2 : length, offset);
}

ssize_t write(int fd, const void *data, size_t length) {
  REAL(ssize_t, "write", int, const void *, size_t);
  FAIL(WRITE, kind_at(fd));
  if (error == SILENT) return (ssize_t)length;
  return real(fd, data, error == HALF ? (length + 1) / 2 : length);
}

int ftruncate64(int fd, off64_t length) {
  REAL(int, "ftruncate64", int, off64_t);
  FAIL(FTRUNCATE, kind_at(fd));
  return real(fd, length);
}

static int opened(int fd, enum file kind) {
  if (fd >= 0 && fd < FDS) kinds[fd] = kind;
  return fd;
}

int open64(const char *path, int flags, ...) {
  REAL(int, "open64", const char *, int, ...);
  va_list more;
  va_start(more, flags);
  mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(more, mode_t) : 0;
  va_end(more);
  enum file kind = kind_of(path);
  FAIL(OPEN, kind);
  return opened(real(path, flags, mode), kind);
}

int open(const char *path, int flags, ...) {
  va_list more;
  va_start(more, flags);
  mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(more, mode_t) : 0;
  va_end(more);
  REAL(int, "open", const char *, int, ...);
  enum file kind = kind_of(path);
  FAIL(OPEN, kind);
  return opened(real(path, flags, mode), kind);
}

int close(int fd) {
  REAL(int, "close", int);
  if (fd >= 0 && fd < FDS) kinds[fd] = NONE;
  return real(fd);
}
