// The least that a relay can do: WebSocket messages go to the others in a room, nothing is checked,
// known or kept. One thread, one epoll, TLS 1.3. What it reaches is the machine's limit.
//
// Usage: bare_relay PORT CERTIFICATE KEY
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define ROOMS 65536
#define READ_SIZE 65536

typedef struct {
    unsigned char *data;
    size_t start, end, room;
} Buffer;

typedef struct {
    int fd, is_open, is_dirty, wants_out, place;
    SSL *ssl;
    Buffer in, out;
} Peer;

typedef struct {
    Peer **peers;
    int count;
} Room;

static Room rooms[ROOMS];
static Peer *dirty[ROOMS];
static int dirty_count, epoll_fd;
static SSL_CTX *context;

static unsigned char *space(Buffer *b, size_t size) {
    if (b->start) {
        memmove(b->data, b->data + b->start, b->end - b->start);
        b->end -= b->start;
        b->start = 0;
    }
    while (b->end + size > b->room) {
        b->room = b->room ? 2 * b->room : 4096;
        b->data = realloc(b->data, b->room);
    }
    return b->data + b->end;
}

static void put(Peer *p, const void *bytes, size_t size) {
    Buffer *b = &p->out;
    memcpy(b->end + size > b->room ? space(b, size) : b->data + b->end, bytes, size);
    b->end += size;
    if (!p->is_dirty) {
        p->is_dirty = 1;
        dirty[dirty_count++] = p;
    }
}

static void leave(Peer *p) {
    if (p->place >= 0) {
        Room *room = &rooms[p->place];
        for (int i = 0; i < room->count; i++)
            if (room->peers[i] == p) room->peers[i--] = room->peers[--room->count];
    }
    for (int i = 0; i < dirty_count; i++)
        if (dirty[i] == p) dirty[i--] = dirty[--dirty_count];
    SSL_free(p->ssl);
    close(p->fd);
    free(p->in.data);
    free(p->out.data);
    free(p);
}

static void flush(Peer *p) {
    Buffer *b = &p->out;
    while (b->start < b->end) {
        int sent = SSL_write(p->ssl, b->data + b->start, (int)(b->end - b->start));
        if (sent <= 0) break;
        b->start += (size_t)sent;
    }
    if (b->start == b->end) b->start = b->end = 0;
    int is_wanted = b->start < b->end;
    if (is_wanted == p->wants_out) return;
    p->wants_out = is_wanted;
    struct epoll_event event = {EPOLLIN | (is_wanted ? EPOLLOUT : 0), {.ptr = p}};
    epoll_ctl(epoll_fd, EPOLL_CTL_MOD, p->fd, &event);
}

static size_t upgrade(Peer *p, char *text, size_t size) {
    static const char name[] = "Sec-WebSocket-Key: ", magic[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    char *end = memmem(text, size, "\r\n\r\n", 4), *key = memmem(text, size, name, sizeof name - 1);
    unsigned char joined[24 + sizeof magic], digest[20], coded[32];
    if (!end || !key) return 0;
    memcpy(joined, key + sizeof name - 1, 24);
    memcpy(joined + 24, magic, sizeof magic - 1);
    SHA1(joined, 24 + sizeof magic - 1, digest);
    EVP_EncodeBlock(coded, digest, 20);
    char answer[256];
    int length = sprintf(answer, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                                 "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n", coded);
    put(p, answer, (size_t)length);
    p->is_open = 1;
    return (size_t)(end - text) + 4;
}

static void heard(Peer *p, unsigned char *frame, size_t head, size_t size) {
    unsigned char *payload = frame + head, *mask = payload - 4;
    for (size_t i = 0; i < size; i++) payload[i] ^= mask[i & 3];
    if (payload[0] == 'J' && size == 3) {
        p->place = payload[1] << 8 | payload[2];
        Room *room = &rooms[p->place];
        room->peers = realloc(room->peers, sizeof(Peer *) * (size_t)(room->count + 1));
        room->peers[room->count++] = p;
        put(p, "\x82\x01", 3); // one byte, a zero
        return;
    }
    unsigned char start[4] = {0x82, (unsigned char)size};
    size_t n = 2;
    if (size >= 126) {
        start[1] = 126;
        start[2] = (unsigned char)(size >> 8);
        start[3] = (unsigned char)size;
        n = 4;
    }
    Room *room = &rooms[p->place];
    for (int i = 0; i < room->count; i++)
        if (room->peers[i] != p) {
            put(room->peers[i], start, n);
            put(room->peers[i], payload, size);
        }
}

static size_t frame(Peer *p, unsigned char *d, size_t size) {
    if (size < 6) return 0;
    size_t length = d[1] & 127, head = 6;
    if (length == 126) {
        head = 8;
        length = (size_t)d[2] << 8 | d[3];
    }
    if (size < head + length) return 0;
    if ((d[0] & 15) == 2) heard(p, d, head, length);
    return head + length;
}

// Return whether the peer is still there.
static int read_all(Peer *p) {
    for (;;) {
        int size = SSL_read(p->ssl, space(&p->in, READ_SIZE), READ_SIZE);
        if (size <= 0) return SSL_get_error(p->ssl, size) == SSL_ERROR_WANT_READ;
        p->in.end += (size_t)size;
        for (;;) {
            unsigned char *data = p->in.data + p->in.start;
            size_t left = p->in.end - p->in.start;
            size_t used = p->is_open ? frame(p, data, left) : upgrade(p, (char *)data, left);
            if (!used) break;
            p->in.start += used;
        }
    }
}

static void accept_all(int listener) {
    for (;;) {
        int one = 1, fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
        if (fd < 0) return;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        Peer *p = calloc(1, sizeof *p);
        p->fd = fd;
        p->place = -1;
        p->ssl = SSL_new(context);
        SSL_set_fd(p->ssl, fd);
        SSL_set_accept_state(p->ssl);
        struct epoll_event event = {EPOLLIN, {.ptr = p}};
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event);
    }
}

int main(int count, char **values) {
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct epoll_event events[1024], event = {EPOLLIN, {.ptr = NULL}};
    int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (count != 4) return 2;
    context = SSL_CTX_new(TLS_server_method());
    SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (SSL_CTX_use_certificate_file(context, values[2], SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_use_PrivateKey_file(context, values[3], SSL_FILETYPE_PEM) != 1)
        return 1;
    here.sin_port = htons((uint16_t)atoi(values[1]));
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (void *)&here, sizeof here) || listen(listener, 4096)) return 1;
    epoll_fd = epoll_create1(0);
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int ready = epoll_wait(epoll_fd, events, 1024, -1);
        for (int i = 0; i < ready; i++) {
            Peer *p = events[i].data.ptr;
            if (!p) accept_all(listener);
            else if (!read_all(p)) leave(p);
            else if (events[i].events & EPOLLOUT) flush(p);
        }
        for (int i = 0; i < dirty_count; i++) {
            dirty[i]->is_dirty = 0;
            flush(dirty[i]);
        }
        dirty_count = 0;
    }
}
