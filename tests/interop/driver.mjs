// Hosts any number of ts-mls clients in one process and does what standard input asks: a list of
// requests a line, in JSON; answers each line with one, in the same order. Bytes are base64.
// Never chooses anything: who does what is decided on the other side. See peer.py.
import { ECDH, createHash } from "node:crypto"
import { register } from "node:module"
import { createInterface } from "node:readline"

register("./repairs.mjs", import.meta.url)
const TS = "./node_modules/ts-mls/dist/src/"
const mls = await import(TS + "index.js")
const { ciphersuiteValues } = await import(TS + "crypto/ciphersuite.js")
const { createCommitInternal } = await import(TS + "createCommit.js")
const { groupContextExtensionDecoder } = await import(TS + "extension.js")
const { leafNodeSources } = await import(TS + "leafNodeSource.js")
const { protectExternalProposalPublic } = await import(TS + "messageProtectionPublic.js")
const { proposalDecoder } = await import(TS + "proposal.js")
const { ratchetTreeDecoder, ratchetTreeEncoder } = await import(TS + "ratchetTree.js")
const { signLeafNodeCommit } = await import(TS + "leafNode.js")
const { varLenTypeDecoder } = await import(TS + "codec/variableLength.js")
const { fastSuite } = await import("./fast_crypto.mjs")

const bytes = (encoded) => new Uint8Array(Buffer.from(encoded, "base64"))
const base64 = (data) => Buffer.from(data).toString("base64")
const decoded = (decoder, encoded) => {
  const value = mls.decode(decoder, bytes(encoded))
  if (value === undefined) throw new Error("malformed")
  return value
}
const message = (encoded) => decoded(mls.mlsMessageDecoder, encoded)
const wire = (value) => base64(mls.encode(mls.mlsMessageEncoder, value))
const wrapped = (kind, field, value) =>
  wire({ version: mls.protocolVersions.mls10, wireformat: mls.wireformats[kind], [field]: value })

// 5.1.1: the public key of an ECDSA suite is an uncompressed point; ts-mls makes compressed ones.
const CURVES = { P256: "prime256v1", P384: "secp384r1", P521: "secp521r1" }

function withWholePoints(suite) {
  const curve = CURVES[ciphersuiteValues[suite.id].signature]
  if (curve === undefined) return suite
  const keygen = async () => {
    const { publicKey, signKey } = await suite.signature.keygen()
    const whole = ECDH.convertKey(publicKey, curve, undefined, undefined, "uncompressed")
    return { publicKey: new Uint8Array(whole), signKey }
  }
  return { ...suite, signature: { ...suite.signature, keygen } }
}

// crypto.mls's hybrid suite, of which ts-mls has all parts but one: draft-ietf-hpke-pq derives an
// X-Wing key pair with LabeledDerive, and ts-mls with a bare SHAKE256.
const HYBRID = 0xf07a
ciphersuiteValues[HYBRID] = {
  id: HYBRID, hash: "SHA-256", signature: "Ed25519",
  hpke: { kem: "X-Wing", kdf: "HKDF-SHA256", aead: "AES256GCM" },
}

async function withLabeledDerive(suite) {
  if (suite.id !== HYBRID) return suite
  const kem = new (await import("@hpke/hybridkem-x-wing")).XWing()
  const label = Buffer.from("HPKE-v1KEM\x64\x7a\x00\x0dDeriveKeyPair\x00\x20", "latin1")
  const deriveKeyPair = (ikm) =>
    kem.generateKeyPairDerand(
      new Uint8Array(createHash("shake256", { outputLength: 32 }).update(ikm).update(label).digest()))
  return { ...suite, hpke: { ...suite.hpke, deriveKeyPair } }
}

let suite
let outsider // the key pair of an external sender
// A client: its leaf's settings and signature key, its waiting KeyPackage, its state in the group,
// the state that its own Commit leads to, and the private keys of its waiting Updates.
const clients = new Map()

function context({ psks = {}, padding = 0 } = {}) {
  const externalPsks = Object.fromEntries(Object.entries(psks).map(([id, key]) => [id, bytes(key)]))
  return {
    cipherSuite: suite,
    authService: mls.unsafeTestingAuthenticationService,
    externalPsks,
    clientConfig: {
      keyRetentionConfig: mls.defaultKeyRetentionConfig,
      lifetimeConfig: mls.defaultLifetimeConfig,
      keyPackageEqualityConfig: mls.defaultKeyPackageEqualityConfig,
      paddingConfig: { kind: "alwaysPad", paddingLength: padding },
    },
  }
}

async function seen(state) {
  const secret = await mls.mlsExporter(
    state.keySchedule.exporterSecret, "interop", new TextEncoder().encode("context"), 32, suite)
  return {
    leaf: state.privatePath.leafIndex,
    epoch: Number(state.groupContext.epoch),
    authenticator: base64(state.keySchedule.epochAuthenticator),
    tree_hash: base64(state.groupContext.treeHash),
    exported: base64(secret),
  }
}

const tree = (state) => base64(mls.encode(ratchetTreeEncoder, state.ratchetTree))

async function newKeyPackage(client) {
  const made = await mls.generateKeyPackageWithKey({ ...client.leaf, cipherSuite: suite })
  client.waiting = made
  return made.publicPackage
}

// ts-mls knows no Update of its own leaf: leaf and private key are made here, and the key is put
// where ts-mls looks for it once a Commit covers the proposal.
async function newUpdate(client) {
  const { state } = client
  const own = mls.getOwnLeafNode(state)
  const keys = await suite.hpke.generateKeyPair()
  const hpkePublicKey = await suite.hpke.exportPublicKey(keys.publicKey)
  const { extensions, capabilities, credential, signaturePublicKey } = own
  const tbs = {
    leafNodeSource: leafNodeSources.update, hpkePublicKey, extensions, capabilities, credential,
    signaturePublicKey, groupId: state.groupContext.groupId, leafIndex: state.privatePath.leafIndex,
  }
  const leafNode = await signLeafNodeCommit(tbs, state.signaturePrivateKey, suite.signature)
  client.updates.set(base64(hpkePublicKey), await suite.hpke.exportPrivateKey(keys.privateKey))
  return { proposalType: mls.defaultProposalTypes.update, update: { leafNode } }
}

function received(client, request) {
  const framed = message(request.message)
  const { privatePath } = client.state
  const privateKeys = { ...privatePath.privateKeys }
  const state = { ...client.state, privatePath: { ...privatePath, privateKeys } }
  const callback = (incoming) => {
    for (const { proposal, senderLeafIndex } of incoming.proposals ?? []) {
      const key = client.updates.get(base64(proposal.update?.leafNode.hpkePublicKey ?? []))
      if (key !== undefined && senderLeafIndex === privatePath.leafIndex)
        privateKeys[2 * senderLeafIndex] = key
    }
    return "accept"
  }
  const params = { context: context(request), state, callback }
  // Not processMessage: it drops the external PSKs of what comes in a PrivateMessage.
  return framed.privateMessage
    ? mls.processPrivateMessage({ ...params, privateMessage: framed.privateMessage })
    : mls.processPublicMessage({ ...params, publicMessage: framed.publicMessage })
}

async function all(names, work) {
  const answers = await Promise.all(names.map((name) => work(clients.get(name))))
  return Object.fromEntries(names.map((name, place) => [name, answers[place]]))
}

const DO = {
  async start({ suite: number, fast }) {
    const slow = await withLabeledDerive(
      withWholePoints(await mls.defaultCryptoProvider.getCiphersuiteImpl(number)))
    suite = fast ? fastSuite(slow) : slow
    clients.clear()
    return {}
  },

  async client({ name, credential, extension_types, grease, lifetime }) {
    const type = mls.defaultCredentialTypes[credential.type]
    const leaf = {
      credential: credential.type === "basic"
        ? { credentialType: type, identity: bytes(credential.content[0]) }
        : { credentialType: type, certificates: credential.content.map(bytes) },
      signatureKeyPair: await suite.signature.keygen(),
      capabilities: {
        versions: [mls.protocolVersions.mls10],
        ciphersuites: [suite.id, ...grease],
        extensions: [...extension_types, ...grease],
        proposals: [...grease],
        credentials: [...Object.values(mls.defaultCredentialTypes), ...grease],
      },
      lifetime: { notBefore: BigInt(lifetime[0]), notAfter: BigInt(lifetime[1]) },
      extensions: grease.map((extensionType) => ({ extensionType, extensionData: bytes("AQ==") })),
      leafNodeExtensions: grease.map((extensionType) => ({ extensionType, extensionData: bytes("") })),
    }
    clients.set(name, { leaf, updates: new Map() })
    return {}
  },

  async forget({ names }) {
    for (const name of names) clients.delete(name)
    return {}
  },

  async key_package({ name }) {
    const keyPackage = await newKeyPackage(clients.get(name))
    return { message: wrapped("mls_key_package", "keyPackage", keyPackage) }
  },

  async create({ name, group_id, extensions }) {
    const client = clients.get(name)
    const keyPackage = await newKeyPackage(client)
    client.state = await mls.createGroup({
      context: context(), groupId: bytes(group_id), keyPackage,
      privateKeyPackage: client.waiting.privatePackage,
      extensions: decoded(varLenTypeDecoder(groupContextExtensionDecoder), extensions),
    })
    return seen(client.state)
  },

  async join({ names, welcome, tree: given, psks }) {
    return all(names, async (client) => {
      client.state = await mls.joinGroup({
        context: context({ psks }), welcome: message(welcome).welcome,
        keyPackage: client.waiting.publicPackage, privateKeys: client.waiting.privatePackage,
        ratchetTree: given === null ? undefined : decoded(ratchetTreeDecoder, given),
      })
      return seen(client.state)
    })
  },

  async propose({ name, proposal, update, authenticated_data, padding, public: wireAsPublicMessage }) {
    const client = clients.get(name)
    const made = await mls.createProposal({
      context: context({ padding }), state: client.state, wireAsPublicMessage,
      proposal: update ? await newUpdate(client) : decoded(proposalDecoder, proposal),
      authenticatedData: bytes(authenticated_data),
    })
    client.state = made.newState
    return { message: wire(made.message) }
  },

  async external_sender() {
    outsider = await suite.signature.keygen()
    return { public_key: base64(outsider.publicKey) }
  },

  async propose_from_outside({ group_id, epoch, proposal, sender_index, authenticated_data }) {
    const version = mls.protocolVersions.mls10
    const groupContext = { version, groupId: bytes(group_id), epoch: BigInt(epoch) }
    const made = await protectExternalProposalPublic(
      outsider.signKey, groupContext, bytes(authenticated_data), decoded(proposalDecoder, proposal),
      { senderType: mls.senderTypes.external, senderIndex: sender_index }, suite)
    return { message: wrapped("mls_public_message", "publicMessage", made.publicMessage) }
  },

  async propose_itself({ name, group_info, authenticated_data }) {
    const client = clients.get(name)
    const { groupInfo } = message(group_info)
    const keyPackage = await newKeyPackage(client)
    return {
      message: wire(await mls.proposeAddExternal(
        groupInfo, keyPackage, client.waiting.privatePackage, suite, bytes(authenticated_data))),
    }
  },

  async receive_proposal(request) {
    return all(request.names, async (client) => {
      const { newState, aad } = await received(client, request)
      if (base64(aad) !== request.authenticated_data) throw new Error("other authenticated data")
      client.state = newState
    })
  },

  async commit(request) {
    const { name, proposals, tree_in_welcome, authenticated_data } = request
    const client = clients.get(name)
    // Not createCommit: it finds no resumption PSK, not even one of the present epoch.
    const made = await createCommitInternal({
      context: context(request), state: client.state, resumingFromState: client.state,
      wireAsPublicMessage: request.public,
      extraProposals: proposals.map((proposal) => decoded(proposalDecoder, proposal)),
      ratchetTreeExtension: tree_in_welcome, authenticatedData: bytes(authenticated_data),
    })
    client.next = made.newState
    return {
      message: wire(made.commit),
      welcome: made.welcome === undefined ? null : wire(made.welcome),
      tree: tree(made.newState),
    }
  },

  async group_info({ name, with_tree }) {
    const make = with_tree
      ? mls.createGroupInfoWithExternalPubAndRatchetTree
      : mls.createGroupInfoWithExternalPub
    const { state } = clients.get(name)
    const groupInfo = await make(state, [], suite)
    return { message: wrapped("mls_group_info", "groupInfo", groupInfo), tree: tree(state) }
  },

  async join_from_outside({ name, group_info, tree: given, resync, authenticated_data }) {
    const client = clients.get(name)
    const keyPackage = await newKeyPackage(client)
    const made = await mls.joinGroupExternal({
      context: context(), groupInfo: message(group_info).groupInfo, keyPackage,
      privateKeys: client.waiting.privatePackage, resync,
      tree: given === null ? undefined : decoded(ratchetTreeDecoder, given),
      authenticatedData: bytes(authenticated_data),
    })
    client.next = made.newState
    return { message: wrapped("mls_public_message", "publicMessage", made.publicMessage) }
  },

  async receive_commit(request) {
    return all(request.names, async (client) => {
      const own = client.next // the client's own Commit is merged, everybody else's is processed
      const { newState, aad } = own ? { newState: own } : await received(client, request)
      client.state = newState
      client.next = undefined
      client.updates.clear()
      return { ...(await seen(newState)), authenticated_data: own ? null : base64(aad) }
    })
  },

  async protect({ name, data, authenticated_data, padding }) {
    const client = clients.get(name)
    const made = await mls.createApplicationMessage({
      context: context({ padding }), state: client.state, message: bytes(data),
      authenticatedData: bytes(authenticated_data),
    })
    client.state = made.newState
    return { message: wire(made.message) }
  },

  async unprotect(request) {
    return all(request.names, async (client) => {
      const said = await received(client, request)
      if (said.kind !== "applicationMessage") throw new Error("not an application message")
      client.state = said.newState
      return { data: base64(said.message), authenticated_data: base64(said.aad) }
    })
  },
}

async function answer({ do: what, ...request }) {
  try {
    return { answer: await DO[what](request) }
  } catch (error) {
    return { error: error.stack }
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const answers = []
  for (const request of JSON.parse(line)) answers.push(await answer(request))
  process.stdout.write(JSON.stringify(answers) + "\n")
}
