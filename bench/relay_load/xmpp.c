// XMPP as chat servers speak it: chats between pairs, or one multi-user room.
#define _GNU_SOURCE
#include "load.h"
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define STREAM                                                                                     \
    "<?xml version='1.0'?><stream:stream to='localhost' xmlns='jabber:client' "                    \
    "xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"

static void enter(Client *c) {
    char plain[64];
    unsigned char coded[96];
    int size = snprintf(plain, sizeof plain, "%cload%d%cload", 0, c->index, 0);
    join_socket(c);
    start_tls(c);
    put_text(c, "%s", STREAM);
    flush_all(c);
    wait_for(c, "</stream:features>");
    EVP_EncodeBlock(coded, (unsigned char *)plain, size);
    put_text(c, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>%s</auth>", coded);
    flush_all(c);
    wait_for(c, "<success");
    wait_for(c, ">");
    c->in.start = c->in.end = 0;
    put_text(c, "%s", STREAM);
    flush_all(c);
    wait_for(c, "</stream:features>");
    put_text(c, "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"
                "<resource>r</resource></bind></iq>");
    flush_all(c);
    wait_for(c, "</iq>");
    put_text(c, "<presence/>");
    if (options.is_room)
        put_text(c, "<presence to='room@conference.localhost/load%d'>"
                    "<x xmlns='http://jabber.org/protocol/muc'><history maxstanzas='0'/></x></presence>",
                 c->index);
    flush_all(c);
    wait_for(c, options.is_room ? "<subject" : "<presence");
    if (c->index == options.clients - 1) sleep(2); // everybody hears of everybody
}

static void say(Client *c, uint32_t id) {
    if (options.is_room) put_text(c, "<message to='room@conference.localhost' type='groupchat'><body>");
    else put_text(c, "<message to='load%d@localhost' type='chat'><body>", c->index ^ 1);
    put(c, payload_of(id), (size_t)options.size);
    put_text(c, "</body></message>");
}

// No parser: a payload begins with a character that stands nowhere else.
static size_t take(Client *c, char *data, size_t size) {
    size_t all = 0;
    (void)c;
    for (;;) {
        char *found = memchr(data + all, '~', size - all);
        if (!found) return size;
        all = (size_t)(found - data);
        if (size - all < (size_t)options.size) return all;
        delivered(id_in(found));
        all += (size_t)options.size;
    }
}

const Protocol xmpp = {"xmpp", enter, say, take, NULL, .echoes = 1};
