// Clocks, histograms, and what Linux says about processes.
#include "load.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define STEPS 64 // of each power of two: 1.6 per cent
static uint64_t counts[2][64 * STEPS];

uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int slot_of(uint64_t ns) {
    if (ns < STEPS) return (int)ns;
    int power = 63 - __builtin_clzll(ns);
    return (power - 5) * STEPS + (int)((ns >> (power - 6)) & (STEPS - 1));
}

static double middle_of(int slot) {
    if (slot < STEPS) return slot;
    int power = slot / STEPS + 5;
    return (double)((uint64_t)(STEPS + slot % STEPS) << (power - 6));
}

void record(int which, uint64_t ns) { counts[which][slot_of(ns)]++; }

double quantile_us(int which, double share) {
    uint64_t all = 0, below = 0;
    for (int i = 0; i < 64 * STEPS; i++) all += counts[which][i];
    for (int i = 0; i < 64 * STEPS; i++) {
        below += counts[which][i];
        if (all && below > (uint64_t)((double)all * share)) return middle_of(i) / 1e3;
    }
    return 0;
}

// Call `read` with each line of /proc/PID/`file` of the servers; add up what it returns.
static double over_servers(const char *file, double (*read)(const char *)) {
    double sum = 0;
    char pids[512], path[64], line[1024];
    snprintf(pids, sizeof pids, "%s", options.servers);
    for (char *pid = strtok(pids, ","); pid; pid = strtok(NULL, ",")) {
        snprintf(path, sizeof path, "/proc/%s/%s", pid, file);
        FILE *f = fopen(path, "r");
        if (!f) continue;
        while (fgets(line, sizeof line, f)) sum += read(line);
        fclose(f);
    }
    return sum;
}

static double ticks_in(const char *line) {
    unsigned long user = 0, system = 0;
    const char *after = strrchr(line, ')');
    if (!after) return 0;
    sscanf(after + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system);
    return (double)(user + system);
}

static double resident_in(const char *line) {
    long kib = 0;
    return sscanf(line, "VmRSS: %ld", &kib) == 1 ? (double)kib : 0;
}

double servers_cpu_s(void) {
    return over_servers("stat", ticks_in) / (double)sysconf(_SC_CLK_TCK);
}

long servers_kib(void) { return (long)over_servers("status", resident_in); }

double own_cpu_s(void) {
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
           (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}
