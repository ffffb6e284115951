// The npm package ts-mls as a worker of bench.mls; worker.py tells what a worker reads and answers.
// Arguments: the path of the package, and which of its two crypto providers to use. No padding, as
// ours has none by default; trees and messages arrive as bytes.

import { createInterface } from "node:readline"
import { pathToFileURL } from "node:url"

const [library, providerName] = process.argv.slice(2)
const mls = await import(pathToFileURL(library).href)
const provider = { webcrypto: mls.defaultCryptoProvider, noble: mls.nobleCryptoProvider }[providerName]

const SUITE_1 = 1
const HYBRID = 0xf00d // X-Wing, AES-256-GCM, SHA-512, Ed25519: a number of its own
const DATA = Uint8Array.from({ length: 100 }, (_, index) => index)
const { wireformats, protocolVersions } = mls
const version = protocolVersions.mls10

const once = (make) => {
  const made = new Map()
  return (...key) => {
    const name = key.join()
    if (!made.has(name)) made.set(name, make(...key))
    return made.get(name)
  }
}

const encode = (message) => mls.encode(mls.mlsMessageEncoder, message)
const decode = (bytes) => {
  const message = mls.decode(mls.mlsMessageDecoder, bytes)
  if (message === undefined) throw new Error("does not decode")
  return message
}
const assert = (isTrue, text) => {
  if (!isTrue) throw new Error(text)
}
const same = (one, other) => Buffer.compare(one, other) === 0
const authenticator = (state) => state.keySchedule.epochAuthenticator

const contextOf = once(async (suite) => ({
  cipherSuite: await provider.getCiphersuiteImpl(suite),
  authService: mls.unsafeTestingAuthenticationService,
  clientConfig: {
    keyRetentionConfig: mls.defaultKeyRetentionConfig,
    lifetimeConfig: mls.defaultLifetimeConfig,
    keyPackageEqualityConfig: mls.defaultKeyPackageEqualityConfig,
    paddingConfig: { kind: "alwaysPad", paddingLength: 0 },
  },
}))

async function client(context, name) {
  const credential = {
    credentialType: mls.defaultCredentialTypes.basic,
    identity: new TextEncoder().encode(name),
  }
  const own = await mls.generateKeyPackage({ credential, cipherSuite: context.cipherSuite })
  const encoded = encode({ wireformat: wireformats.mls_key_package, version, keyPackage: own.publicPackage })
  return { ...own, encoded }
}

const clients = once(async (suite, count) => {
  const context = await contextOf(suite)
  const all = []
  for (let number = 0; number < count; number++) all.push(await client(context, `member ${number}`))
  return all
})

function founded(context, founder) {
  const groupId = crypto.getRandomValues(new Uint8Array(32))
  const { publicPackage: keyPackage, privatePackage: privateKeyPackage } = founder
  return mls.createGroup({ context, groupId, keyPackage, privateKeyPackage })
}

async function added(context, state, packages, ratchetTreeExtension) {
  const extraProposals = packages.map((bytes) => ({
    proposalType: mls.defaultProposalTypes.add,
    add: { keyPackage: decode(bytes).keyPackage },
  }))
  const made = await mls.createCommit({ context, state, extraProposals, ratchetTreeExtension })
  return { state: made.newState, commit: encode(made.commit), welcome: encode(made.welcome) }
}

// A founder's group right after the one commit that added everybody else.
const grown = once(async (suite, members) => {
  const context = await contextOf(suite)
  const [founder, ...others] = await clients(suite, members)
  const state = await founded(context, founder)
  const after = await added(context, state, others.map((other) => other.encoded), true)
  return { context, others, ...after }
})

function joined({ context, welcome }, { publicPackage: keyPackage, privatePackage: privateKeys }) {
  return mls.joinGroup({ context, welcome: decode(welcome).welcome, keyPackage, privateKeys })
}

async function committed(context, state) {
  const made = await mls.createCommit({ context, state })
  return { state: made.newState, commit: encode(made.commit) }
}

const pair = once(async () => {
  const group = await grown(SUITE_1, 2)
  return { context: group.context, sender: group.state, receiver: await joined(group, group.others[0]) }
})

async function send(two, count) {
  const messages = []
  for (let number = 0; number < count; number++) {
    const made = await mls.createApplicationMessage({ context: two.context, state: two.sender, message: DATA })
    two.sender = made.newState
    messages.push(encode(made.message))
  }
  return messages
}

async function receive(two, messages) {
  const texts = []
  for (const bytes of messages) {
    const message = decode(bytes)
    const read = await mls.processMessage({ context: two.context, state: two.receiver, message })
    two.receiver = read.newState
    texts.push(read.message)
  }
  return texts
}

async function pathIn(suite, members) {
  const { context, state } = await grown(suite, members)
  const check = (made) => {
    assert(made.state.groupContext.epoch === state.groupContext.epoch + 1n, "epoch")
    return { commit: made.commit.length }
  }
  return { run: () => committed(context, state), check }
}

const operations = {
  async protect(count) {
    const two = await pair()
    const check = async (messages) => {
      assert((await receive(two, messages)).every((text) => same(text, DATA)), "text")
      return { message: messages.at(-1).length }
    }
    return { run: () => send(two, count), check }
  },
  async unprotect(count) {
    const two = await pair()
    const messages = await send(two, count)
    const check = (texts) => {
      assert(texts.length === count && texts.every((text) => same(text, DATA)), "text")
      return { message: messages.at(-1).length }
    }
    return { run: () => receive(two, messages), check }
  },
  async add(count, members) {
    const context = await contextOf(SUITE_1)
    const [founder, ...others] = await clients(SUITE_1, members)
    const state = await founded(context, founder)
    const packages = others.map((other) => other.encoded)
    const check = (made) => {
      assert(mls.getGroupMembers(made.state).length === members, "members")
      return { commit: made.commit.length, welcome: made.welcome.length }
    }
    return { run: () => added(context, state, packages, false), check }
  },
  async join(count, members) {
    const group = await grown(SUITE_1, members)
    const check = (state) => {
      assert(same(authenticator(state), authenticator(group.state)), "authenticator")
      return { welcome: group.welcome.length }
    }
    return { run: () => joined(group, group.others.at(-1)), check }
  },
  path: (count, members) => pathIn(SUITE_1, members),
  hybrid: (count, members) => pathIn(HYBRID, members),
  async process(count, members) {
    const group = await grown(SUITE_1, members)
    const { context } = group
    const { commit, state: wanted } = await committed(context, group.state)
    const states = await Promise.all(group.others.slice(-count).map((other) => joined(group, other)))
    const run = async () => {
      const after = []
      for (const state of states) {
        after.push((await mls.processMessage({ context, state, message: decode(commit) })).newState)
      }
      return after
    }
    const check = (after) => {
      assert(after.length === count, "count")
      for (const state of after) assert(same(authenticator(state), authenticator(wanted)), "authenticator")
      return { commit: commit.length }
    }
    return { run, check }
  },
  async external(count, members) {
    const { context, state } = await grown(SUITE_1, members)
    const newcomer = await client(context, "newcomer")
    const info = encode({
      wireformat: wireformats.mls_group_info,
      version,
      groupInfo: await mls.createGroupInfoWithExternalPubAndRatchetTree(state, [], context.cipherSuite),
    })
    const run = async () => {
      const made = await mls.joinGroupExternal({
        context,
        groupInfo: decode(info).groupInfo,
        keyPackage: newcomer.publicPackage,
        privateKeys: newcomer.privatePackage,
        resync: false,
      })
      const wireformat = wireformats.mls_public_message
      return { state: made.newState, commit: encode({ wireformat, version, publicMessage: made.publicMessage }) }
    }
    const check = async (made) => {
      const after = await mls.processMessage({ context, state, message: decode(made.commit) })
      assert(same(authenticator(after.newState), authenticator(made.state)), "authenticator")
      return { group_info: info.length, commit: made.commit.length }
    }
    return { run, check }
  },
}

for await (const line of createInterface({ input: process.stdin })) {
  const { operation, count, members } = JSON.parse(line)
  let answer = { unsupported: "has nothing like it" }
  if (Object.hasOwn(operations, operation)) {
    const chunk = await operations[operation](count, members)
    globalThis.gc()
    const begun = performance.now()
    const cpuBegun = process.cpuUsage()
    const result = await chunk.run()
    const cpu = process.cpuUsage(cpuBegun)
    const seconds = (performance.now() - begun) / 1000
    const cpu_seconds = (cpu.user + cpu.system) / 1e6
    answer = { seconds, cpu_seconds, sizes: await chunk.check(result) }
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`)
}
