// What the parts of the load generator share. One thread, one epoll; nothing here is a server.
#pragma once
#include <openssl/ssl.h>
#include <stddef.h>
#include <stdint.h>

// Bytes from `start` to `end`; everything before `start` was used up.
typedef struct {
    char *data;
    size_t start, end, room;
} Buffer;

typedef struct {
    int fd, index, in_flight, is_dirty, wants_out;
    SSL *ssl;
    Buffer in, out;
    uint64_t seen;     // Sotto: the newest entry of the conversation
    int is_unseen;     // Sotto: and whether it is yet to be acknowledged
    int is_acknowledging;
    uint32_t *packets; // MQTT: the message behind each packet id
    uint16_t packet;
} Client;

// A protocol: how a client enters, says a message, and reads what came.
typedef struct {
    const char *name;
    void (*enter)(Client *);               // blocks until the client is in
    void (*say)(Client *, uint32_t id);    // queue message `id`
    size_t (*take)(Client *, char *, size_t); // use up whole frames; return their bytes
    void (*after)(Client *);               // everything that could be read was taken
    int acknowledges;                      // the server answers the sender of a message
    int echoes;                            // a room's message comes back to its sender
} Protocol;

typedef struct {
    const char *host, *plan, *servers; // `servers`: pids whose time and memory count
    int port, clients, is_room, window, senders, is_tls, size, qos, is_stored, threads;
    double rate, warm_s, seconds;
} Options;

extern Options options;
extern Client *clients;
extern const Protocol sotto, mqtt, nats, xmpp, bare;

// net.c
void fail(const char *what) __attribute__((noreturn));
void *room_in(Buffer *, size_t size);
void put(Client *, const void *, size_t);
void put_text(Client *, const char *format, ...) __attribute__((format(printf, 2, 3)));
long read_some(Client *);       // bytes; 0: nothing now
void flush(Client *);           // as far as the socket takes it
void flush_all(Client *);       // blocks
void wait_for(Client *, const char *text);  // blocks; uses up everything to its end
char *wait_bytes(Client *, size_t size);    // blocks; does not use them up
void join_socket(Client *);
void start_tls(Client *);
void part(Client *);            // close the connection
void net_begin(void);
void watch(int epoll, Client *);

// ws.c
void ws_enter(Client *);
void ws_put(Client *, const void *, size_t);
size_t ws_frame(const char *data, size_t size, const char **payload, size_t *payload_size);

// sotto.c
void sotto_begin(void);
long sotto_catch_up(Client *); // blocks; entries that it fetched

// main.c: what a protocol tells of messages
void mark_dirty(Client *);
void delivered(uint32_t id);
void accepted(uint32_t id);
char *payload_of(uint32_t id);  // `options.size` bytes that name the message
uint32_t id_in(const char *payload);

// stats.c
uint64_t now_ns(void);
void record(int which, uint64_t ns);
double quantile_us(int which, double share);
double servers_cpu_s(void);
double own_cpu_s(void);
long servers_kib(void);
