/* SPDX-License-Identifier: MIT
**
** spawn.c - how long a command takes from its start to its end, without a shell between:
**
**     spawn RUNS COMMAND [ARGUMENT...]     prints: median seconds - processor-seconds KiB
*/
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv) {
    int runs = argc > 2 ? atoi(argv[1]) : 0;
    if (runs < 1) {
        fprintf(stderr, "usage: spawn RUNS COMMAND [ARGUMENT...]\n");
        return 2;
    }
    double *seconds = calloc((size_t)runs, sizeof *seconds);
    posix_spawn_file_actions_t quiet;
    posix_spawn_file_actions_init(&quiet);
    posix_spawn_file_actions_addopen(&quiet, 1, "/dev/null", O_WRONLY, 0);
    for (int i = 0; seconds && i < runs; i++) {
        pid_t pid;
        int status;
        double started = now();
        if (posix_spawnp(&pid, argv[2], &quiet, NULL, argv + 2, environ) != 0 ||
            waitpid(pid, &status, 0) != pid || status != 0) {
            fprintf(stderr, "spawn: %s failed\n", argv[2]);
            return 1;
        }
        seconds[i] = now() - started;
    }
    if (!seconds) {
        return 1;
    }
    qsort(seconds, (size_t)runs, sizeof *seconds, by_size);
    struct rusage u;
    getrusage(RUSAGE_CHILDREN, &u);
    double cpu = (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
                 (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
    printf("%.9f - %.6f %ld\n", seconds[runs / 2], cpu / runs, u.ru_maxrss);
    free(seconds);
    return 0;
}
