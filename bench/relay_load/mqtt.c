// MQTT 3.1.1: each client has a topic, a room is one that all have.
#include "load.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void packet(Client *c, int kind, const void *bytes, size_t size) {
    unsigned char head[5];
    size_t n = 0, rest = size;
    head[n++] = (unsigned char)kind;
    do {
        head[n] = rest & 127;
        rest >>= 7;
        if (rest) head[n] |= 128;
        n++;
    } while (rest);
    put(c, head, n);
    put(c, bytes, size);
}

static size_t text(char *to, const char *format, int number) {
    int size = sprintf(to + 2, format, number);
    to[0] = 0;
    to[1] = (char)size;
    return (size_t)size + 2;
}

static void enter(Client *c) {
    char body[128] = "\0\4MQTT\4\2\0\0";
    join_socket(c);
    start_tls(c);
    c->packets = calloc(65536, sizeof *c->packets);
    packet(c, 0x10, body, 10 + text(body + 10, "load-%d", c->index));
    flush_all(c);
    wait_bytes(c, 4);
    c->in.start += 4;
    body[0] = 0;
    body[1] = 1;
    size_t size = 2 + text(body + 2, options.is_room ? "room" : "to/%d", c->index);
    body[size++] = (char)options.qos;
    packet(c, 0x82, body, size);
    flush_all(c);
    wait_bytes(c, 5);
    c->in.start += 5;
}

static void say(Client *c, uint32_t id) {
    char body[4096];
    size_t size = text(body, options.is_room ? "room" : "to/%d", c->index ^ 1);
    if (options.qos) {
        if (!++c->packet) ++c->packet;
        c->packets[c->packet] = id;
        body[size++] = (char)(c->packet >> 8);
        body[size++] = (char)c->packet;
    }
    memcpy(body + size, payload_of(id), (size_t)options.size);
    packet(c, 0x30 | options.qos << 1, body, size + (size_t)options.size);
}

static size_t take(Client *c, char *data, size_t size) {
    const unsigned char *d = (const unsigned char *)data;
    size_t all = 0;
    for (;;) {
        size_t length = 0, head = 1;
        for (int shift = 0;; shift += 7) {
            if (all + head >= size) return all;
            length |= (size_t)(d[all + head] & 127) << shift;
            if (!(d[all + head++] & 128)) break;
        }
        if (all + head + length > size) return all;
        const unsigned char *body = d + all + head;
        if (d[all] >> 4 == 3) {
            if (d[all] & 6) {
                packet(c, 0x40, body + 2 + (body[0] << 8 | body[1]), 2);
                mark_dirty(c);
            }
            delivered(id_in((const char *)body + length - options.size));
        } else if (d[all] >> 4 == 4) {
            accepted(c->packets[body[0] << 8 | body[1]]);
        }
        all += head + length;
    }
}

const Protocol mqtt = {"mqtt", enter, say, take, NULL, .echoes = 1};
