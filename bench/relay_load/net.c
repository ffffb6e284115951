// Sockets, TLS 1.3 and buffers. Before the load begins a client blocks, afterwards never.
#define _GNU_SOURCE
#include "load.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define READ_SIZE 65536
static SSL_CTX *context;
static int epoll_fd = -1;

void fail(const char *what) {
    fprintf(stderr, "load: %s (%s)\n", what, strerror(errno));
    ERR_print_errors_fp(stderr);
    exit(1);
}

void net_begin(void) {
    if (!options.is_tls) return;
    context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384");
}

void *room_in(Buffer *b, size_t size) {
    if (b->start == b->end) b->start = b->end = 0;
    if (b->end + size > b->room && b->start) {
        memmove(b->data, b->data + b->start, b->end - b->start);
        b->end -= b->start;
        b->start = 0;
    }
    if (b->end + size > b->room) {
        while (b->end + size > b->room) b->room = b->room ? 2 * b->room : 4096;
        b->data = realloc(b->data, b->room);
        if (!b->data) fail("no memory");
    }
    return b->data + b->end;
}

void put(Client *c, const void *bytes, size_t size) {
    memcpy(room_in(&c->out, size), bytes, size);
    c->out.end += size;
}

void put_text(Client *c, const char *format, ...) {
    char text[2048];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    put(c, text, (size_t)size);
}

// What a failed call on the connection means: try later, or the end.
static long trouble(Client *c, long result, const char *what) {
    if (c->ssl) {
        int error = SSL_get_error(c->ssl, (int)result);
        if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) return 0;
    } else if (result < 0 && errno == EAGAIN) {
        return 0;
    }
    fail(what);
}

long read_some(Client *c) {
    char *into = room_in(&c->in, READ_SIZE);
    long size = c->ssl ? SSL_read(c->ssl, into, READ_SIZE) : recv(c->fd, into, READ_SIZE, 0);
    if (size <= 0) return trouble(c, size, "the server closed a connection");
    c->in.end += (size_t)size;
    return size;
}

static void want_out(Client *c, int is_wanted) {
    if (c->wants_out == is_wanted || epoll_fd < 0) return;
    c->wants_out = is_wanted;
    struct epoll_event event = {EPOLLIN | (is_wanted ? EPOLLOUT : 0), {.ptr = c}};
    epoll_ctl(epoll_fd, EPOLL_CTL_MOD, c->fd, &event);
}

void flush(Client *c) {
    Buffer *b = &c->out;
    while (b->start < b->end) {
        size_t size = b->end - b->start;
        long sent = c->ssl ? SSL_write(c->ssl, b->data + b->start, (int)size)
                           : send(c->fd, b->data + b->start, size, MSG_NOSIGNAL);
        if (sent <= 0 && trouble(c, sent, "the server takes nothing more") == 0) break;
        b->start += (size_t)sent;
    }
    want_out(c, b->start < b->end);
}

void flush_all(Client *c) {
    flush(c);
    if (c->out.start < c->out.end) fail("a blocking write was short");
}

void wait_for(Client *c, const char *text) {
    for (;;) {
        char *found = memmem(c->in.data + c->in.start, c->in.end - c->in.start, text, strlen(text));
        if (found) {
            c->in.start = (size_t)(found - c->in.data) + strlen(text);
            return;
        }
        if (read_some(c) == 0) fail(text);
    }
}

char *wait_bytes(Client *c, size_t size) {
    while (c->in.end - c->in.start < size)
        if (read_some(c) == 0) fail("the server does not answer");
    return c->in.data + c->in.start;
}

void join_socket(Client *c) {
    struct sockaddr_in there = {.sin_family = AF_INET, .sin_port = htons((uint16_t)options.port)};
    struct sockaddr_in here = {.sin_family = AF_INET};
    struct timeval patience = {30, 0};
    int one = 1;
    char own[32];
    inet_pton(AF_INET, options.host, &there.sin_addr);
    snprintf(own, sizeof own, "127.0.0.%d", 1 + c->index % 50); // ports enough for all
    inet_pton(AF_INET, own, &here.sin_addr);
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (bind(c->fd, (void *)&here, sizeof here)) fail("bind");
    if (connect(c->fd, (void *)&there, sizeof there)) fail("connect");
}

void start_tls(Client *c) {
    if (!options.is_tls) return;
    c->ssl = SSL_new(context);
    SSL_set_fd(c->ssl, c->fd);
    if (SSL_connect(c->ssl) != 1) fail("TLS");
}

void part(Client *c) {
    struct linger at_once = {1, 0}; // no TIME_WAIT: thousands of ports would be gone
    setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    if (c->ssl) SSL_free(c->ssl);
    close(c->fd);
    c->ssl = NULL;
    c->in.start = c->in.end = c->out.start = c->out.end = 0;
}

void watch(int epoll, Client *c) {
    epoll_fd = epoll;
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    struct epoll_event event = {EPOLLIN, {.ptr = c}};
    epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event);
}
