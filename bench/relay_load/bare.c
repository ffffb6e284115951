// The bare relay's frames (bare/relay.c): WebSocket messages that go to the others as they are.
#include "load.h"
#include <string.h>

static void enter(Client *c) {
    unsigned char room[3] = {'J', 0, 0};
    int number = options.is_room ? 0 : c->index / 2;
    join_socket(c);
    start_tls(c);
    ws_enter(c);
    room[1] = (unsigned char)(number >> 8);
    room[2] = (unsigned char)number;
    ws_put(c, room, 3);
    flush_all(c);
    wait_bytes(c, 3); // an empty message: it is in
    c->in.start += 3;
}

static void say(Client *c, uint32_t id) { ws_put(c, payload_of(id), (size_t)options.size); }

static size_t take(Client *c, char *data, size_t size) {
    size_t used, all = 0, payload_size;
    const char *payload;
    (void)c;
    while ((used = ws_frame(data + all, size - all, &payload, &payload_size))) {
        all += used;
        if (payload_size == (size_t)options.size) delivered(id_in(payload));
    }
    return all;
}

const Protocol bare = {"bare", enter, say, take, NULL, .echoes = 0};
