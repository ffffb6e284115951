// The load: clients that each keep a window of messages in flight, or a rate for all of them.
//
// A message is done when everybody who should have it has it, and its sender was answered where
// the server answers; then its sender says the next one. Prints one line of JSON.
#define _GNU_SOURCE
#include "load.h"
#include <getopt.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define RING (1u << 20) // messages in flight, at most
#define SECOND 1000000000ull
enum { WARMING, MEASURING, ENDING };
enum { DELIVERY, ANSWER };

typedef struct {
    int from, missing;
    uint64_t at_ns;
} Message;

typedef struct {
    uint64_t deliveries, answers, said, done, at_ns;
    double servers_s, own_s;
} Counts;

Options options = {.host = "127.0.0.1", .servers = "", .clients = 100, .window = 32, .senders = 10,
                   .size = 200, .warm_s = 1.5, .seconds = 5, .threads = 8};
Client *clients;
static const Protocol *const protocols[] = {&sotto, &mqtt, &nats, &xmpp, &bare};
static const Protocol *protocol;
static Message ring[RING];
static Counts counts;
static uint32_t last_id;
static int phase;
static uint64_t due_ns; // of a paced message: waiting for its turn counts
static Client **dirty;
static int dirty_count;
static char *text;

void mark_dirty(Client *c) {
    if (c->is_dirty) return;
    c->is_dirty = 1;
    dirty[dirty_count++] = c;
}

char *payload_of(uint32_t id) {
    static const char digits[] = "0123456789abcdef";
    for (int i = 8; i > 0; i--, id >>= 4) text[i] = digits[id & 15];
    return text;
}

uint32_t id_in(const char *payload) {
    uint32_t id = 0;
    for (int i = 1; i <= 8; i++)
        id = id << 4 | (uint32_t)(payload[i] <= '9' ? payload[i] - '0' : payload[i] - 'a' + 10);
    return id;
}

static int is_sender(int index) {
    if (!options.is_room) return 1;
    int step = options.clients / options.senders;
    return index % step == 0 && index / step < options.senders;
}

static void say(Client *c) {
    uint32_t id = ++last_id;
    int readers = options.is_room ? options.clients - !protocol->echoes : 1;
    int answers = protocol->acknowledges || options.qos || options.is_stored;
    ring[id % RING] = (Message){c->index, readers + answers, due_ns ? due_ns : now_ns()};
    c->in_flight++;
    counts.said++;
    protocol->say(c, id);
    mark_dirty(c);
}

static void done_with_one(uint32_t id, int which) {
    Message *m = &ring[id % RING];
    if (phase == MEASURING) record(which, now_ns() - m->at_ns);
    if (--m->missing) return;
    counts.done++;
    Client *c = &clients[m->from];
    c->in_flight--;
    if (options.rate == 0 && phase != ENDING && c->in_flight < options.window) say(c);
}

void delivered(uint32_t id) {
    counts.deliveries++;
    done_with_one(id, DELIVERY);
}

void accepted(uint32_t id) {
    counts.answers++;
    done_with_one(id, ANSWER);
}

static void read_all(Client *c) {
    while (read_some(c) > 0) {
        c->in.start += protocol->take(c, c->in.data + c->in.start, c->in.end - c->in.start);
        if (c->ssl && !SSL_has_pending(c->ssl)) break;
    }
    if (protocol->after) protocol->after(c);
}

static void say_what_is_due(uint64_t now, const int *senders, int sender_count) {
    static uint64_t next_ns;
    static int turn;
    if (!next_ns) next_ns = now;
    for (int n = 0; next_ns <= now && n < 4096; n++) {
        due_ns = next_ns;
        say(&clients[senders[turn++ % sender_count]]);
        next_ns += (uint64_t)((double)SECOND / options.rate);
    }
    due_ns = 0;
}

static Counts snapshot(void) {
    Counts c = counts;
    c.at_ns = now_ns();
    c.servers_s = servers_cpu_s();
    c.own_s = own_cpu_s();
    return c;
}

static void run_load(void) {
    struct epoll_event events[1024];
    int epoll = epoll_create1(0), sender_count = 0;
    int *senders = calloc((size_t)options.clients, sizeof *senders);
    for (int i = 0; i < options.clients; i++) {
        watch(epoll, &clients[i]);
        if (is_sender(i)) senders[sender_count++] = i;
    }
    for (int i = 0; options.rate == 0 && i < sender_count; i++)
        for (int n = 0; n < options.window; n++) say(&clients[senders[i]]);
    uint64_t begin = now_ns() + (uint64_t)(options.warm_s * 1e9);
    uint64_t end = begin + (uint64_t)(options.seconds * 1e9), give_up = end + 5 * SECOND;
    Counts first = {0}, last = {0};
    for (;;) {
        uint64_t now = now_ns();
        if (phase == WARMING && now >= begin) first = snapshot(), phase = MEASURING;
        if (phase == MEASURING && now >= end) last = snapshot(), phase = ENDING;
        if (phase == ENDING && (counts.done == counts.said || now > give_up)) break;
        if (options.rate > 0 && phase != ENDING) say_what_is_due(now, senders, sender_count);
        int ready = dirty_count;
        dirty_count = 0;
        for (int i = 0; i < ready; i++) {
            dirty[i]->is_dirty = 0;
            flush(dirty[i]);
        }
        struct timespec patience = {0, options.rate > 0 ? 100000 : 10000000};
        int count = epoll_pwait2(epoll, events, 1024, &patience, NULL);
        for (int i = 0; i < count; i++) {
            Client *c = events[i].data.ptr;
            if (events[i].events & EPOLLOUT) mark_dirty(c);
            if (events[i].events & ~(unsigned)EPOLLOUT) read_all(c);
        }
    }
    double seconds = (double)(last.at_ns - first.at_ns) / 1e9;
    printf("{\"messages_per_s\": %.0f, \"deliveries_per_s\": %.0f, \"p50_us\": %.0f, \"p99_us\": %.0f, "
           "\"answer_p50_us\": %.0f, \"answer_p99_us\": %.0f, \"server_cpu\": %.2f, \"load_cpu\": %.2f, "
           "\"server_mib\": %.1f, \"lost\": %ld}\n",
           (double)(last.done - first.done) / seconds,
           (double)(last.deliveries - first.deliveries) / seconds, quantile_us(DELIVERY, .5),
           quantile_us(DELIVERY, .99), quantile_us(ANSWER, .5), quantile_us(ANSWER, .99),
           (last.servers_s - first.servers_s) / seconds, (last.own_s - first.own_s) / seconds,
           (double)servers_kib() / 1024, (long)(counts.said - counts.done));
}

static void *come_and_go(void *first) {
    static _Atomic int turn;
    uint64_t end = *(uint64_t *)first;
    long *count = calloc(1, sizeof *count);
    while (now_ns() < end) {
        Client *c = &clients[turn++ % options.clients];
        protocol->enter(c);
        part(c);
        ++*count;
    }
    return count;
}

// Clients that enter and leave again, so many at once as there are threads.
static void run_reconnect(void) {
    pthread_t threads[256];
    uint64_t begin = now_ns(), end = begin + (uint64_t)(options.seconds * 1e9);
    double servers = servers_cpu_s(), own = own_cpu_s();
    long all = 0;
    for (int i = 0; i < options.threads; i++) pthread_create(&threads[i], NULL, come_and_go, &end);
    for (int i = 0; i < options.threads; i++) {
        void *count;
        pthread_join(threads[i], &count);
        all += *(long *)count;
    }
    double seconds = (double)(now_ns() - begin) / 1e9;
    printf("{\"connections_per_s\": %.0f, \"server_cpu\": %.2f, \"load_cpu\": %.2f}\n",
           (double)all / seconds, (servers_cpu_s() - servers) / seconds,
           (own_cpu_s() - own) / seconds);
}

// The second client comes back and reads what it missed.
static void run_catch_up(void) {
    protocol->enter(&clients[1]);
    double servers = servers_cpu_s(), own = own_cpu_s();
    uint64_t begin = now_ns();
    long entries = sotto_catch_up(&clients[1]);
    double seconds = (double)(now_ns() - begin) / 1e9;
    printf("{\"entries\": %ld, \"seconds\": %.4f, \"server_cpu_s\": %.2f, \"load_cpu_s\": %.3f}\n",
           entries, seconds, servers_cpu_s() - servers, own_cpu_s() - own);
}

static void run_idle(void) {
    long before = servers_kib();
    for (int i = 0; i < options.clients; i++) protocol->enter(&clients[i]);
    sleep((unsigned)options.warm_s + 1);
    long after = servers_kib();
    printf("{\"clients\": %d, \"idle_mib\": %.1f, \"server_mib\": %.1f, \"kib_per_client\": %.1f}\n",
           options.clients, (double)before / 1024, (double)after / 1024,
           (double)(after - before) / options.clients);
}

static const char *read_options(int count, char **values) {
    const char *kind = "load";
    static const struct option names[] = {
        {"protocol", 1, 0, 'p'}, {"port", 1, 0, 'P'},    {"clients", 1, 0, 'n'},
        {"room", 0, 0, 'r'},     {"window", 1, 0, 'w'},  {"senders", 1, 0, 's'},
        {"tls", 0, 0, 't'},      {"size", 1, 0, 'l'},    {"qos", 1, 0, 'q'},
        {"stored", 0, 0, 'j'},   {"rate", 1, 0, 'R'},    {"warm", 1, 0, 'W'},
        {"seconds", 1, 0, 'd'},  {"plan", 1, 0, 'f'},    {"servers", 1, 0, 'S'},
        {"threads", 1, 0, 'T'},  {"do", 1, 0, 'k'},      {0, 0, 0, 0}};
    for (int o; (o = getopt_long(count, values, "", names, NULL)) != -1;) switch (o) {
        case 'p':
            for (size_t i = 0; i < sizeof protocols / sizeof *protocols; i++)
                if (!strcmp(protocols[i]->name, optarg)) protocol = protocols[i];
            break;
        case 'P': options.port = atoi(optarg); break;
        case 'n': options.clients = atoi(optarg); break;
        case 'r': options.is_room = 1; break;
        case 'w': options.window = atoi(optarg); break;
        case 's': options.senders = atoi(optarg); break;
        case 't': options.is_tls = 1; break;
        case 'l': options.size = atoi(optarg); break;
        case 'q': options.qos = atoi(optarg); break;
        case 'j': options.is_stored = 1; break;
        case 'R': options.rate = atof(optarg); break;
        case 'W': options.warm_s = atof(optarg); break;
        case 'd': options.seconds = atof(optarg); break;
        case 'f': options.plan = optarg; break;
        case 'S': options.servers = optarg; break;
        case 'T': options.threads = atoi(optarg); break;
        case 'k': kind = optarg; break;
        default: exit(2);
        }
    return kind;
}

int main(int count, char **values) {
    const char *kind = read_options(count, values);
    if (!protocol || options.size < 16 || options.threads > 256) {
        fprintf(stderr, "load: --protocol sotto|mqtt|nats|xmpp|bare --port N ...; see bench/relay.py\n");
        return 2;
    }
    clients = calloc((size_t)options.clients, sizeof *clients);
    dirty = calloc((size_t)options.clients, sizeof(Client *));
    text = malloc((size_t)options.size);
    memset(text, 'x', (size_t)options.size);
    text[0] = '~';
    for (int i = 0; i < options.clients; i++) clients[i].index = i;
    net_begin();
    if (protocol == &sotto) sotto_begin();
    if (!strcmp(kind, "idle")) run_idle();
    else if (!strcmp(kind, "reconnect")) run_reconnect();
    else if (!strcmp(kind, "catchup") && protocol == &sotto && options.clients > 1) run_catch_up();
    else {
        for (int i = 0; i < options.clients; i++) protocol->enter(&clients[i]);
        usleep(500000);
        run_load();
    }
    return 0;
}
