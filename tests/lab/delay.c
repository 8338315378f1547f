/* Copyright: (c) 2026, scaleout.ingest contributors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A wire with a delay, for kernels without netem: passes packets between two tap devices, each
 * DELAY_US microseconds after it came. Usage: delay TAP_A TAP_B DELAY_US */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum { SLOTS = 65536, LARGEST = 1600, BATCH = 256 };

struct packet {
    long long due; /* ns, monotonic */
    int size;
    unsigned char bytes[LARGEST];
};

static struct packet *queue[2];
static unsigned head[2], tail[2];

static int tap(const char *name)
{
    struct ifreq request;
    int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    memset(&request, 0, sizeof request);
    strncpy(request.ifr_name, name, IFNAMSIZ - 1);
    request.ifr_flags = IFF_TAP | IFF_NO_PI;
    if (fd < 0 || ioctl(fd, TUNSETIFF, &request)) {
        perror(name);
        exit(1);
    }
    return fd;
}

static long long now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

/* Writes what is due on side i; returns ns until the next packet, or -1. */
static long long deliver(int i, int to)
{
    long long time = now();
    while (head[i] != tail[i]) {
        struct packet *packet = &queue[i][head[i] % SLOTS];
        if (packet->due > time)
            return packet->due - time;
        if (write(to, packet->bytes, packet->size) < 0) {
            /* a full or closed device loses a packet, as wires do */
        }
        head[i]++;
    }
    return -1;
}

static void take(int i, int from, long long delay)
{
    for (int count = 0; count < BATCH; count++) {
        struct packet *packet = &queue[i][tail[i] % SLOTS];
        if (tail[i] - head[i] >= SLOTS - 1)
            return;
        packet->size = read(from, packet->bytes, LARGEST);
        if (packet->size <= 0)
            return;
        packet->due = now() + delay;
        tail[i]++;
    }
}

int main(int count, char **words)
{
    if (count != 4) {
        fprintf(stderr, "usage: delay TAP_A TAP_B DELAY_US\n");
        return 2;
    }
    int fds[2] = {tap(words[1]), tap(words[2])};
    long long delay = atoll(words[3]) * 1000;
    prctl(PR_SET_TIMERSLACK, 1);
    for (int i = 0; i < 2; i++)
        queue[i] = calloc(SLOTS, sizeof(struct packet));
    for (;;) {
        long long first = deliver(0, fds[1]), second = deliver(1, fds[0]);
        long long wait = first < 0 || (second >= 0 && second < first) ? second : first;
        struct timespec limit = {wait / 1000000000LL, wait % 1000000000LL};
        struct pollfd polls[2] = {{fds[0], POLLIN, 0}, {fds[1], POLLIN, 0}};
        ppoll(polls, 2, wait < 0 ? NULL : &limit, NULL);
        for (int i = 0; i < 2; i++)
            if (polls[i].revents & POLLIN)
                take(i, fds[i], delay);
    }
}
