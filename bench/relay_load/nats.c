// NATS: a subject for each client, a room is one that all have. Stored: JetStream answers.
#define _GNU_SOURCE
#include "load.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void enter(Client *c) {
    join_socket(c);
    wait_for(c, "\r\n"); // INFO, in the clear
    c->in.start = c->in.end = 0;
    start_tls(c);
    put_text(c, "CONNECT {\"verbose\":false,\"pedantic\":false}\r\n");
    if (options.is_room) put_text(c, "SUB room 1\r\n");
    else put_text(c, "SUB to.%d 1\r\n", c->index);
    if (options.is_stored) put_text(c, "SUB answer.%d.* 2\r\n", c->index);
    put_text(c, "PING\r\n");
    flush_all(c);
    wait_for(c, "PONG\r\n");
}

static void say(Client *c, uint32_t id) {
    char subject[32] = "room", answer[48] = "";
    if (!options.is_room) sprintf(subject, "to.%d", c->index ^ 1);
    if (options.is_stored) sprintf(answer, " answer.%d.%u", c->index, id);
    put_text(c, "PUB %s%s %d\r\n", subject, answer, options.size);
    put(c, payload_of(id), (size_t)options.size);
    put(c, "\r\n", 2);
}

static size_t take(Client *c, char *data, size_t size) {
    size_t all = 0;
    for (;;) {
        char *line = data + all, *end = memmem(line, size - all, "\r\n", 2);
        if (!end) return all;
        size_t head = (size_t)(end - line) + 2;
        if (!memcmp(line, "PING", 4)) {
            put_text(c, "PONG\r\n");
            mark_dirty(c);
        }
        if (memcmp(line, "MSG ", 4)) {
            all += head;
            continue;
        }
        char *last = end;
        while (last[-1] != ' ') last--;
        size_t length = (size_t)atol(last);
        if (all + head + length + 2 > size) return all;
        if (memcmp(line + 4, "answer.", 7)) delivered(id_in(end + 2));
        else accepted((uint32_t)atol(strchr(line + 11, '.') + 1));
        all += head + length + 2;
    }
}

const Protocol nats = {"nats", enter, say, take, NULL, .echoes = 1};
