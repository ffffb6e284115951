// The crypto of a cipher suite over Node's own OpenSSL: ts-mls's providers, which go through
// WebCrypto or plain JavaScript, take ten to twenty times as long.
// Never decides anything about MLS. What a suite has beyond X25519 and Ed25519 stays ts-mls's own.
import crypto from "node:crypto"
import { ciphersuiteValues } from "./node_modules/ts-mls/dist/src/crypto/ciphersuite.js"

const EMPTY = new Uint8Array()
const MOST_REMEMBERED = 20000
const AEADS = { AES128GCM: "aes-128-gcm", AES256GCM: "aes-256-gcm", CHACHA20POLY1305: "chacha20-poly1305" }
const AEAD_IDS = { AES128GCM: 1, AES256GCM: 2, CHACHA20POLY1305: 3 }
const KEY_SIZES = { AES128GCM: 16, AES256GCM: 32, CHACHA20POLY1305: 32 }
const HASH_SIZES = { sha256: 32, sha384: 48, sha512: 64 }

const bytes = (buffer) => new Uint8Array(buffer) // a copy: ts-mls overwrites secrets in place
const text = (string) => Buffer.from(string, "latin1")
const url = (data) => Buffer.from(data).toString("base64url")
const u16 = (number) => Buffer.from([number >> 8, number & 255])
const hashName = (name) => name.replace("HKDF-", "").replace("-", "").toLowerCase()

// All members live in one process and check the same signatures and derive the same keys.
function remembered(compute) {
  const known = new Map()
  return (...parts) => {
    const key = parts.map((part) => Buffer.from(part).toString("latin1")).join("|")
    if (!known.has(key)) {
      if (known.size >= MOST_REMEMBERED) known.clear()
      known.set(key, compute(...parts))
    }
    return known.get(key)
  }
}

function hmac(hash, key, ...parts) {
  const mac = crypto.createHmac(hash, key)
  for (const part of parts) mac.update(part)
  return mac.digest()
}

function expand(hash, key, info, length) {
  const blocks = []
  for (let last = EMPTY, done = 0; done < length; done += last.length) {
    last = hmac(hash, key, last, info, Buffer.from([blocks.length + 1]))
    blocks.push(last)
  }
  return Buffer.concat(blocks).subarray(0, length)
}

function seal(aead, key, nonce, aad, plaintext) {
  const cipher = crypto.createCipheriv(aead, key, nonce, { authTagLength: 16 })
  cipher.setAAD(aad, { plaintextLength: plaintext.length })
  return bytes(Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]))
}

function open(aead, key, nonce, aad, ciphertext) {
  const cipher = crypto.createDecipheriv(aead, key, nonce, { authTagLength: 16 })
  const end = ciphertext.length - 16
  cipher.setAAD(aad, { plaintextLength: end })
  cipher.setAuthTag(ciphertext.subarray(end))
  return bytes(Buffer.concat([cipher.update(ciphertext.subarray(0, end)), cipher.final()]))
}

const ed25519 = {
  verify: remembered((publicKey, message, signature) => {
    const key = { kty: "OKP", crv: "Ed25519", x: url(publicKey) }
    return crypto.verify(null, message, crypto.createPublicKey({ key, format: "jwk" }), signature)
  }),
  async sign(privateKey, message) {
    const [d, x] = [privateKey.subarray(0, 32), privateKey.subarray(32)].map(url)
    const key = { kty: "OKP", crv: "Ed25519", d, x }
    return bytes(crypto.sign(null, message, crypto.createPrivateKey({ key, format: "jwk" })))
  },
  async keygen() {
    const { d, x } = crypto.generateKeyPairSync("ed25519").privateKey.export({ format: "jwk" })
    const [seed, publicKey] = [d, x].map((part) => Buffer.from(part, "base64url"))
    return { publicKey: bytes(publicKey), signKey: bytes(Buffer.concat([seed, publicKey])) }
  },
}

const x25519 = {
  publicKey: (raw) =>
    crypto.createPublicKey({ key: { kty: "OKP", crv: "X25519", x: url(raw) }, format: "jwk" }),
  privateKey: (raw) => {
    // OpenSSL computes the public key from `d`; what stands in `x` is not looked at.
    const key = { kty: "OKP", crv: "X25519", d: url(raw), x: url(raw) }
    return crypto.createPrivateKey({ key, format: "jwk" })
  },
  raw: (key, part) => bytes(Buffer.from(key.export({ format: "jwk" })[part], "base64url")),
  public: (privateKey) => crypto.createPublicKey(privateKey),
  dh: (privateKey, publicKey) => crypto.diffieHellman({ privateKey, publicKey }),
}

// HPKE's base mode with DHKEM(X25519, HKDF-SHA256). RFC 9180.
function hpkeOver(aeadName, kdfHash) {
  const [aead, size] = [AEADS[aeadName], KEY_SIZES[aeadName]]
  const kemId = Buffer.concat([text("KEM"), u16(0x20)])
  const hpkeId = Buffer.concat([text("HPKE"), u16(0x20), u16(1), u16(AEAD_IDS[aeadName])])
  const extract = (id, salt, label, ikm) =>
    hmac(kdfHash, salt, text("HPKE-v1"), id, text(label), ikm)
  const expanded = (id, key, label, info, length) =>
    expand(kdfHash, key, Buffer.concat([u16(length), text("HPKE-v1"), id, text(label), info]), length)
  const shared = (dh, enc, recipient) => {
    const key = extract(kemId, EMPTY, "eae_prk", dh)
    return expanded(kemId, key, "shared_secret", Buffer.concat([enc, recipient]), 32)
  }
  const schedule = (secret, info) => {
    const ids = [extract(hpkeId, EMPTY, "psk_id_hash", EMPTY), extract(hpkeId, EMPTY, "info_hash", info)]
    const context = Buffer.concat([Buffer.from([0]), ...ids])
    const key = extract(hpkeId, secret, "secret", EMPTY)
    return {
      key: expanded(hpkeId, key, "key", context, size),
      nonce: expanded(hpkeId, key, "base_nonce", context, 12),
      export: (label, length) =>
        bytes(expanded(hpkeId, expanded(hpkeId, key, "exp", context, 32), "sec", label, length)),
    }
  }
  const toSend = (recipient, info) => {
    const { privateKey, publicKey } = crypto.generateKeyPairSync("x25519")
    const enc = x25519.raw(publicKey, "x")
    const dh = x25519.dh(privateKey, recipient)
    return { enc, ...schedule(shared(dh, enc, x25519.raw(recipient, "x")), info) }
  }
  const toReceive = (privateKey, enc, info) => {
    const own = x25519.raw(x25519.public(privateKey), "x")
    const dh = x25519.dh(privateKey, x25519.publicKey(enc))
    return schedule(shared(dh, enc, own), info)
  }
  const derived = remembered((ikm) => {
    const key = extract(kemId, EMPTY, "dkp_prk", ikm)
    const privateKey = x25519.privateKey(expanded(kemId, key, "sk", EMPTY, 32))
    return { privateKey, publicKey: x25519.public(privateKey) }
  })
  return {
    async open(privateKey, kemOutput, ciphertext, info, aad = EMPTY) {
      const { key, nonce } = toReceive(privateKey, kemOutput, info)
      return open(aead, key, nonce, aad, ciphertext)
    },
    async seal(publicKey, plaintext, info, aad = EMPTY) {
      const { enc, key, nonce } = toSend(publicKey, info)
      return { enc, ct: seal(aead, key, nonce, aad, plaintext) }
    },
    async exportSecret(publicKey, exporterContext, length, info) {
      const context = toSend(publicKey, info)
      return { enc: context.enc, secret: context.export(exporterContext, length) }
    },
    async importSecret(privateKey, exporterContext, kemOutput, length, info) {
      return toReceive(privateKey, kemOutput, info).export(exporterContext, length)
    },
    importPrivateKey: async (raw) => x25519.privateKey(raw),
    importPublicKey: async (raw) => x25519.publicKey(raw),
    exportPublicKey: async (key) => x25519.raw(key, "x"),
    exportPrivateKey: async (key) => x25519.raw(key, "d"),
    deriveKeyPair: async (ikm) => derived(ikm),
    generateKeyPair: async () => crypto.generateKeyPairSync("x25519"),
    keyLength: size,
    nonceLength: 12,
  }
}

/** The suite that `slow` is, with everything that Node computes fast in its place. */
export function fastSuite(slow) {
  const { hash, hpke, signature } = ciphersuiteValues[slow.id]
  const [digest, kdf, aead] = [hashName(hash), hashName(hpke.kdf), AEADS[hpke.aead]]
  const isX25519 = hpke.kem === "DHKEM-X25519-HKDF-SHA256"
  return {
    ...slow,
    hash: {
      digest: async (data) => bytes(crypto.hash(digest, data, "buffer")),
      mac: async (key, data) => bytes(hmac(digest, key, data)),
      async verifyMac(key, mac, data) {
        const right = hmac(digest, key, data)
        return right.length === mac.length && crypto.timingSafeEqual(right, mac)
      },
    },
    kdf: {
      extract: async (salt, ikm) => bytes(hmac(kdf, salt, ikm)),
      expand: async (key, info, length) => bytes(expand(kdf, key, info, length)),
      size: HASH_SIZES[kdf],
    },
    signature:
      signature === "Ed25519"
        ? ed25519
        : { ...slow.signature, verify: remembered(slow.signature.verify) },
    hpke: {
      ...(isX25519 ? hpkeOver(hpke.aead, kdf) : slow.hpke),
      encryptAead: async (key, nonce, aad, data) => seal(aead, key, nonce, aad ?? EMPTY, data),
      decryptAead: async (key, nonce, aad, data) => open(aead, key, nonce, aad ?? EMPTY, data),
    },
  }
}
