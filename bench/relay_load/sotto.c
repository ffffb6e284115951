// Sotto's frames: devices that resume by their signatures, append, read and acknowledge.
//
// The plan has a line for each client, in hexadecimal: the device's private key, account name,
// device id, conversation, an Append frame, and where in it the rid and the transaction id stand
// (decimal). Its first line is the label under which a device proves itself.
#include "load.h"
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    unsigned char key[32], account[64], device[16], conversation[16], append[4096];
    size_t account_size, append_size, rid_at, id_at;
} Planned;

static Planned *plan;
static unsigned char label[64];
static size_t label_size;
static uint64_t first_id; // transaction ids grow, also from one run to the next
static unsigned char spki_hash[32];

static size_t unhex(const char *text, unsigned char *into, size_t room) {
    size_t size = strlen(text) / 2;
    if (size > room) fail("the plan has too long a field");
    for (size_t i = 0; i < size; i++) {
        unsigned byte;
        sscanf(text + 2 * i, "%2x", &byte);
        into[i] = (unsigned char)byte;
    }
    return size;
}

void sotto_begin(void) {
    static char fields[5][8400];
    FILE *f = fopen(options.plan, "r");
    if (!f || fscanf(f, "%8399s", fields[0]) != 1) fail("no plan");
    label_size = unhex(fields[0], label, sizeof label);
    plan = calloc((size_t)options.clients, sizeof *plan);
    for (int i = 0; i < options.clients; i++) {
        Planned *p = &plan[i];
        if (fscanf(f, "%8399s %8399s %8399s %8399s %8399s %zu %zu", fields[0], fields[1], fields[2],
                   fields[3], fields[4], &p->rid_at, &p->id_at) != 7)
            fail("the plan has too few clients");
        unhex(fields[0], p->key, 32);
        p->account_size = unhex(fields[1], p->account, sizeof p->account);
        unhex(fields[2], p->device, 16);
        unhex(fields[3], p->conversation, 16);
        p->append_size = unhex(fields[4], p->append, sizeof p->append);
    }
    fclose(f);
    first_id = now_ns() / 1000 << 12;
}

static unsigned char *part_of(unsigned char *to, const void *bytes, size_t size) {
    for (int shift = 24; shift >= 0; shift -= 8) *to++ = (unsigned char)(size >> shift);
    memcpy(to, bytes, size);
    return to + size;
}

static void prove(const Planned *p, const unsigned char *own, const unsigned char *relays,
                  const unsigned char *relay_key, unsigned char signature[64]) {
    unsigned char text[512], *end = text;
    memcpy(end, label, label_size);
    end += label_size;
    end = part_of(end, own, 32);
    end = part_of(end, relays, 32);
    end = part_of(end, relay_key, 32);
    end = part_of(end, spki_hash, 32);
    end = part_of(end, p->account, p->account_size);
    end = part_of(end, p->device, 16);
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, p->key, 32);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    size_t size = 64;
    if (EVP_DigestSignInit(context, NULL, NULL, NULL, key) != 1 ||
        EVP_DigestSign(context, signature, &size, text, (size_t)(end - text)) != 1)
        fail("signature");
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(key);
}

static void read_spki(Client *c) {
    unsigned char *der = NULL;
    X509 *certificate = SSL_get1_peer_certificate(c->ssl);
    int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
    unsigned hashed = 32;
    EVP_Digest(der, (size_t)size, spki_hash, &hashed, EVP_sha256(), NULL);
    OPENSSL_free(der);
    X509_free(certificate);
}

static void big_endian(unsigned char *to, uint64_t value, int size) {
    for (int i = size - 1; i >= 0; i--, value >>= 8) to[i] = (unsigned char)value;
}

static uint64_t number(const unsigned char **at) {
    const unsigned char *p = *at;
    int size = *p < 0x80 ? 0 : *p == 0xcc ? 1 : *p == 0xcd ? 2 : *p == 0xce ? 4 : 8;
    uint64_t value = size ? 0 : *p;
    for (int i = 1; i <= size; i++) value = value << 8 | p[i];
    *at = p + 1 + size;
    return value;
}

static size_t count(const unsigned char **at, int fixed) { // of an array, or a bin's bytes
    const unsigned char *p = *at;
    if (fixed && (*p & 0xf0) == 0x90) return (*at)++, *p & 15;
    int size = *p == 0xc4 ? 1 : *p == 0xc5 || *p == 0xdc ? 2 : 4;
    size_t value = 0;
    for (int i = 1; i <= size; i++) value = value << 8 | p[i];
    *at = p + 1 + size;
    return value;
}

// The next message's payload, blocking; it lies in the buffer until more is read.
static const char *next(Client *c, size_t *size) {
    for (;;) {
        const char *payload;
        size_t used = ws_frame(c->in.data + c->in.start, c->in.end - c->in.start, &payload, size);
        c->in.start += used;
        if (used && *size) return payload;
        if (!used && read_some(c) == 0) fail("the relay does not answer");
    }
}

enum { HELLO = 100, OK = 101, FAILED = 102, CONFLICT = 103, ACCEPTED = 104, LOGGED_IN = 105, FETCHED = 111, PUSHES = 140 };

// What kind of frame it is; `at` then points behind that.
static int tag_of(const char *payload, const unsigned char **at) {
    *at = (const unsigned char *)payload + 1;
    return (int)number(at);
}

static void expect(const char *payload, int tag) {
    const unsigned char *at;
    int found = tag_of(payload, &at);
    if (found == tag) return;
    fprintf(stderr, "load: the relay answered %d, not %d: %.200s\n", found, tag, (const char *)at);
    exit(1);
}

static void enter(Client *c) {
    const Planned *p = &plan[c->index];
    unsigned char frame[256], nonce[32], signature[64], relay_key[32], relay_nonce[32];
    size_t size, n = 0;
    join_socket(c);
    start_tls(c);
    if (c->ssl) read_spki(c);
    ws_enter(c);
    RAND_bytes(nonce, 32);
    memcpy(frame, "\x93\x00\x02\xc4\x20", 5); // Hello, protocol version 2
    memcpy(frame + 5, nonce, 32);
    ws_put(c, frame, 37);
    flush_all(c);
    const char *hello = next(c, &size); // 9x 64 version c4 20 key c4 20 nonce ...
    expect(hello, HELLO);
    memcpy(relay_key, hello + 5, 32);
    memcpy(relay_nonce, hello + 39, 32);
    prove(p, nonce, relay_nonce, relay_key, signature);
    memcpy(frame, "\x95\x04\x01", 3); // Resume
    n = 3;
    frame[n++] = (unsigned char)(0xa0 | p->account_size);
    memcpy(frame + n, p->account, p->account_size);
    n += p->account_size;
    memcpy(frame + n, "\xc4\x10", 2);
    memcpy(frame + n + 2, p->device, 16);
    memcpy(frame + n + 18, "\xc4\x40", 2);
    memcpy(frame + n + 20, signature, 64);
    ws_put(c, frame, n + 84);
    flush_all(c);
    const unsigned char *at;
    do hello = next(c, &size);
    while (tag_of(hello, &at) >= PUSHES);
    expect(hello, LOGGED_IN);
}

static void say(Client *c, uint32_t id) {
    Planned *p = &plan[c->index];
    big_endian(p->append + p->rid_at, id, 4);
    big_endian(p->append + p->id_at, first_id + id, 8);
    ws_put(c, p->append, p->append_size);
}

static void entries(Client *c, const unsigned char *p) {
    const Planned *planned = &plan[c->index];
    p += 2 + 16; // the conversation
    for (size_t n = count(&p, 1); n; n--) {
        p++; // an array of three
        c->seen = number(&p);
        number(&p); // when it arrived
        size_t size = count(&p, 0);
        // In an Append nothing but a nil stands behind the message.
        size_t at = planned->id_at - (planned->append_size - 1 - size);
        uint64_t id = 0;
        for (size_t i = 0; i < 8; i++) id = id << 8 | p[at + i];
        if (id > first_id) delivered((uint32_t)(id - first_id));
        p += size;
    }
    c->is_unseen = 1;
}

// Fetch everything in the conversation, a page after the other, as a client that comes back does.
long sotto_catch_up(Client *c) {
    unsigned char frame[64] = "\x95\x0f\x01\xc4\x10"; // Fetch
    uint64_t seen = 0, end = 1;
    long all = 0;
    memcpy(frame + 5, plan[c->index].conversation, 16);
    frame[21] = 0xcf;
    memcpy(frame + 30, "\xcd\x01\x00", 3); // 256 at most
    while (seen < end) {
        size_t size, some;
        const unsigned char *at;
        const char *page;
        big_endian(frame + 22, seen, 8);
        ws_put(c, frame, 33);
        flush_all(c);
        do page = next(c, &size);
        while (tag_of(page, &at) >= PUSHES);
        expect(page, FETCHED);
        number(&at); // the rid
        some = count(&at, 1);
        if (!some) fail("the relay keeps entries back");
        for (all += (long)some; some; some--) {
            at++; // an array of three
            seen = number(&at);
            number(&at); // when it arrived
            size = count(&at, 0);
            at += size;
        }
        number(&at); // the first one kept
        end = number(&at);
    }
    return all;
}

static void answers(const unsigned char *p) {
    for (size_t n = count(&p, 1); n; n--) {
        p++; // an array of two
        uint32_t id = (uint32_t)number(&p);
        number(&p);
        accepted(id);
    }
}

static size_t take(Client *c, char *data, size_t size) {
    size_t used, all = 0, payload_size;
    const char *payload;
    while ((used = ws_frame(data + all, size - all, &payload, &payload_size))) {
        all += used;
        if (!payload_size) continue;
        const unsigned char *at;
        int tag = tag_of(payload, &at);
        if (tag == PUSHES) entries(c, at);
        else if (tag == ACCEPTED) answers(at);
        else if (tag == OK) c->is_acknowledging = 0;
        else if (tag == FAILED || tag == CONFLICT) expect(payload, ACCEPTED);
    }
    return all;
}

// As our client does: one acknowledgement at a time, of all that came since the last one.
static void after(Client *c) {
    if (!c->is_unseen || c->is_acknowledging) return;
    unsigned char frame[40] = "\x95\x10\x7f\xc4\x10"; // Ack
    memcpy(frame + 5, plan[c->index].conversation, 16);
    frame[21] = 0xcf;
    big_endian(frame + 22, c->seen, 8);
    frame[30] = 0x90;
    ws_put(c, frame, 31);
    c->is_unseen = 0;
    c->is_acknowledging = 1;
    mark_dirty(c);
}

const Protocol sotto = {"sotto", enter, say, take, after, .acknowledges = 1};
