// WebSocket (RFC 6455) as a client speaks it: binary messages in one frame each.
#include "load.h"
#include <string.h>

void ws_enter(Client *c) {
    put_text(c, "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                "Sec-WebSocket-Key: c290dG8gbG9hZCB0ZXN0IQ==\r\nSec-WebSocket-Version: 13\r\n\r\n");
    flush_all(c);
    wait_for(c, "\r\n\r\n");
}

void ws_put(Client *c, const void *payload, size_t size) {
    static const unsigned char mask[4] = {0x5b, 0xc1, 0x07, 0xe2};
    unsigned char *to = room_in(&c->out, size + 8);
    size_t n = 0;
    to[n++] = 0x82;
    if (size < 126) {
        to[n++] = (unsigned char)(0x80 | size);
    } else { // nothing here has 64 KiB
        to[n++] = 0x80 | 126;
        to[n++] = (unsigned char)(size >> 8);
        to[n++] = (unsigned char)size;
    }
    memcpy(to + n, mask, 4);
    n += 4;
    for (size_t i = 0; i < size; i++) to[n + i] = ((const unsigned char *)payload)[i] ^ mask[i & 3];
    c->out.end += n + size;
}

// Return the size of the first whole frame, or 0; point to what it carries.
size_t ws_frame(const char *data, size_t size, const char **payload, size_t *payload_size) {
    const unsigned char *d = (const unsigned char *)data;
    if (size < 2) return 0;
    size_t head = 2, length = d[1] & 127;
    if (length == 126) {
        head = 4;
        if (size < head) return 0;
        length = (size_t)d[2] << 8 | d[3];
    } else if (length == 127) {
        head = 10;
        if (size < head) return 0;
        length = 0;
        for (int i = 2; i < 10; i++) length = length << 8 | d[i];
    }
    if (size < head + length) return 0;
    if ((d[0] & 15) == 8) fail("the relay closed a connection");
    *payload = data + head;
    *payload_size = (d[0] & 15) == 2 ? length : 0;
    return head + length;
}
