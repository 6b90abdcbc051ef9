/* Between vfork and exec: what a child does before it is a module's program.
 *
 * It runs in the parent's memory, so nothing here allocates or calls Python, and each value that it
 * needs is ready before. The parent stands still meanwhile.
 */
#ifndef KITE_SPAWNER_H
#define KITE_SPAWNER_H

#ifdef __linux__

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

enum { KITE_LISTENER = 3, KITE_OUT_OF_THE_WAY = 10, KITE_OLD_KERNELS_MOST = 4096 };
enum { KITE_CWD = 1, KITE_DESCRIPTORS, KITE_EXEC };

typedef struct {
    int kind;
    rlim_t soft;
    rlim_t hard; /* RLIM_INFINITY: what it is */
} kite_limit;

typedef struct {
    const char *path;
    char **argv;
    char **env;
    const char *cwd;
    const char *door;  /* of a control group, or NULL */
    char *pid_text;    /* where one of `env` ends in ten places for the child's pid, or NULL */
    int streams[3];
    int listener;      /* or -1 */
    const kite_limit *limits;
    int limit_count;
    pid_t parent;
    sigset_t mask;
    /* What went wrong, written by the child. */
    volatile int error;
    volatile int stage;
} kite_child;

static void kite_fail(kite_child *child, int stage) {
    child->error = errno ? errno : EINVAL;
    child->stage = stage;
    _exit(127);
}

static void kite_default_signals(void) {
    struct sigaction action;
    for (int number = 1; number < NSIG; number++) {
        if (sigaction(number, NULL, &action) != 0 || action.sa_handler == SIG_DFL) continue;
        /* What Python ignores for itself, a program would not expect to. */
        if (action.sa_handler == SIG_IGN && number != SIGPIPE && number != SIGXFSZ) continue;
        action.sa_handler = SIG_DFL;
        action.sa_flags = 0;
        sigemptyset(&action.sa_mask);
        sigaction(number, &action, NULL);
    }
}

static int kite_put(int from, int to) {
    if (from == to) return fcntl(from, F_SETFD, 0);
    return dup2(from, to);
}

static void kite_take_descriptors(kite_child *child) {
    const int taken = child->listener < 0 ? KITE_LISTENER : KITE_LISTENER + 1;
    for (int i = 0; i < 3; i++) {
        if (child->streams[i] >= taken) continue;
        child->streams[i] = fcntl(child->streams[i], F_DUPFD_CLOEXEC, KITE_OUT_OF_THE_WAY);
        if (child->streams[i] < 0) kite_fail(child, KITE_DESCRIPTORS);
    }
    for (int i = 0; i < 3; i++)
        if (kite_put(child->streams[i], i) < 0) kite_fail(child, KITE_DESCRIPTORS);
    if (child->listener >= 0 && kite_put(child->listener, KITE_LISTENER) < 0)
        kite_fail(child, KITE_DESCRIPTORS);
    /* The Launcher's own close by themselves; this is for what it was given itself. */
#ifdef SYS_close_range
    if (syscall(SYS_close_range, taken, ~0U, 0) == 0) return;
#endif
    for (int number = taken; number < KITE_OLD_KERNELS_MOST; number++) close(number);
}

static void kite_write_pid(char *place) {
    unsigned int left = (unsigned int)getpid(), size = 1;
    for (unsigned int rest = left; rest >= 10; rest /= 10) size++;
    place[size] = '\0';
    for (; size > 0; left /= 10) place[--size] = (char)('0' + left % 10);
}

static void kite_be(kite_child *child) {
    struct rlimit limit;
    setsid();
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != child->parent) _exit(127); /* it went before the line above */
    kite_default_signals();
    if (chdir(child->cwd) != 0) kite_fail(child, KITE_CWD);
    if (child->door != NULL) {
        const int door = open(child->door, O_WRONLY | O_CLOEXEC);
        if (door >= 0) {
            if (write(door, "0", 1) < 0) { /* then it lives where the Launcher does */ }
            close(door);
        }
    }
    kite_take_descriptors(child);
    for (int i = 0; i < child->limit_count; i++) {
        const kite_limit *wanted = &child->limits[i];
        if (getrlimit((__rlimit_resource_t)wanted->kind, &limit) != 0) continue;
        limit.rlim_cur = wanted->soft;
        if (wanted->hard != RLIM_INFINITY) limit.rlim_max = wanted->hard;
        setrlimit((__rlimit_resource_t)wanted->kind, &limit);
    }
    if (child->pid_text != NULL) kite_write_pid(child->pid_text);
    sigprocmask(SIG_SETMASK, &child->mask, NULL);
    execve(child->path, child->argv, child->env);
    kite_fail(child, KITE_EXEC);
}

/* The pid of the child, which has begun its program; or -1, with errno. */
static pid_t kite_spawn(kite_child *child) {
    sigset_t all;
    volatile pid_t pid;
    sigfillset(&all);
    child->parent = getpid();
    child->error = child->stage = 0;
    pthread_sigmask(SIG_SETMASK, &all, &child->mask);
    pid = vfork();
    if (pid == 0) {
        kite_be(child);
        _exit(127);
    }
    const int failed = errno;
    pthread_sigmask(SIG_SETMASK, &child->mask, NULL);
    errno = failed;
    if (pid > 0 && child->error != 0) {
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {}
        errno = child->error;
        return -1;
    }
    return pid;
}

#endif
#endif
