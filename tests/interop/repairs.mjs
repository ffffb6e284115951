// What ts-mls 2.0.0-rc.10 does otherwise than RFC 9420, put right while its modules are loaded.
// Never touches a file on disk; a text that is no longer there stops the driver, so a new version
// of ts-mls cannot pass with a repair that does nothing. README.md says what each one is about.
import { readFile } from "node:fs/promises"

const MODULES = new URL("./node_modules/ts-mls/dist/src/", import.meta.url).href

// file: [[what stands there, how often, what the RFC asks for], ...]
const REPAIRS = {
  "clientState.js": [
    // 12.4: a path is needed unless every proposal is an Add, a PSK or a ReInit.
    [
      `Object.values(grouped[defaultProposalTypes.update]).length > 1 ||
            Object.values(grouped[defaultProposalTypes.remove]).length > 1`,
      1,
      `allProposals.some((p) => ![defaultProposalTypes.add, defaultProposalTypes.psk,
            defaultProposalTypes.reinit].includes(p.proposal.proposalType))`,
    ],
    // 12.4.3.1: the nodes between an unmerged leaf and the parent that lists it must list it too;
    // those above the parent need not, and no two lists have to be equal.
    [`for (const parentIdx of dp) {`, 1, `for (const parentIdx of dp.slice(0, dp.indexOf(i))) {`],
    [
      `!arraysEqual(dpNode.parent.unmergedLeaves, n.parent.unmergedLeaves)`,
      1,
      `!dpNode.parent.unmergedLeaves.includes(unmergedLeaf)`,
    ],
    // 12.1.8.1: external_senders is a list.
    [
      `const externalSenders = extensions.filter((e) => e.extensionType === defaultExtensionTypes.external_senders);`,
      1,
      `const externalSenders = extensions
        .filter((e) => e.extensionType === defaultExtensionTypes.external_senders)
        .flatMap((e) => e.extensionData.map((one) => ({ extensionData: one })));`,
    ],
  ],
  "publicMessage.js": [
    [
      `externalSenderExtensions[senderIndex]`,
      1,
      `externalSenderExtensions[0]?.extensionData[senderIndex]`,
    ],
    [`return externalSenderExtension.extensionData;`, 1, `return externalSenderExtension;`],
  ],
  "extension.js": [
    [
      `import { varLenDataDecoder, varLenDataEncoder } from`,
      1,
      `import { varLenDataDecoder, varLenDataEncoder, varLenTypeDecoder, varLenTypeEncoder } from`,
    ],
    [
      `[e.extensionType, encode(externalSenderEncoder, e.extensionData)]`,
      1,
      `[e.extensionType, encode(varLenTypeEncoder(externalSenderEncoder), e.extensionData)]`,
    ],
    [
      `decode(externalSenderDecoder, extensionData)`,
      1,
      `decode(varLenTypeDecoder(externalSenderDecoder), extensionData)`,
    ],
  ],
  "createCommit.js": [
    // 12.4.3.2: the extension's content is struct { HPKEPublicKey external_pub }, a vector itself.
    [
      `import { encode } from "./codec/tlsEncoder.js";`,
      1,
      `import { encode } from "./codec/tlsEncoder.js";
import { varLenDataDecoder, varLenDataEncoder } from "./codec/variableLength.js";`,
    ],
    [`extensionData: externalPub }`, 2, `extensionData: encode(varLenDataEncoder, externalPub) }`],
    [
      `exportSecret(externalPub.extensionData, cs)`,
      1,
      `exportSecret(varLenDataDecoder(externalPub.extensionData, 0)[0], cs)`,
    ],
    // 7.5: new members are left out of the resolutions that path secrets are encrypted to.
    [
      `await createUpdatePath(state.ratchetTree, mutableTree, toLeafIndex(state.privatePath.leafIndex), state.groupContext, state.signaturePrivateKey, cipherSuite)`,
      1,
      `await createUpdatePath(mutableTree, mutableTree, toLeafIndex(state.privatePath.leafIndex), groupContextWithExtensions, state.signaturePrivateKey, cipherSuite, res.additionalResult.addedLeafNodes.map(([index]) => 2 * index))`,
    ],
    // 12.4.1: the path is encrypted under the new GroupContext, with the new extensions.
    [
      `const groupContextWithExtensions = { ...state.groupContext, extensions: updatedExtensions };`,
      1,
      ``,
    ],
    [
      `const updatedExtensions = res.additionalResult.kind === "memberCommit" && res.additionalResult.extensions.length > 0
        ? res.additionalResult.extensions
        : state.groupContext.extensions;`,
      1,
      ``,
    ],
    [
      `const [tree, updatePath, pathSecrets, newPrivateKey] = res.needsUpdatePath`,
      1,
      `const groupContextWithExtensions = { ...state.groupContext, extensions:
        res.additionalResult.kind === "memberCommit" && res.additionalResult.extensions.length > 0
        ? res.additionalResult.extensions
        : state.groupContext.extensions };
    const [tree, updatePath, pathSecrets, newPrivateKey] = res.needsUpdatePath`,
    ],
  ],
  // 12.4.2: commit_secret follows the path secret of the path's last node, which is not the root
  // when one half of the tree is empty.
  "pathSecrets.js": [
    [
      `findFirstNonBlankAncestor(tree, currentIndex);`,
      1,
      `findFirstNonBlankAncestor(tree, currentIndex);
        if (tree[nextIndex] === undefined) break;`,
    ],
  ],
  "processMessages.js": [
    [
      `import { findBlankLeafNodeIndex, addLeafNodeMutable } from`,
      1,
      `import { findBlankLeafNodeIndex, addLeafNodeMutable, filteredDirectPath } from`,
    ],
    [
      `pathSecrets[rootIndex];`,
      1,
      `pathSecrets[filteredDirectPath(leafNodeIndex, tree).at(-1)];`,
    ],
  ],
  "updatePath.js": [
    [`signaturePrivateKey, cs) {`, 1, `signaturePrivateKey, cs, excludedNodes = []) {`],
    [
      `await applyInitialTreeUpdate(fdp, pathSecret, senderLeafIndex, mutableTree, cs)`,
      1,
      `await applyInitialTreeUpdate(fdp, pathSecret, senderLeafIndex, mutableTree, cs, excludedNodes)`,
    ],
    [`senderLeafIndex, mutableTree, cs) {`, 1, `senderLeafIndex, mutableTree, cs, excludedNodes) {`],
    [
      `sendTo: resolution }`,
      1,
      `sendTo: resolution.filter((index) => !excludedNodes.includes(index)) }`,
    ],
  ],
}

export async function load(url, context, nextLoad) {
  const repairs = url.startsWith(MODULES) ? REPAIRS[url.slice(MODULES.length)] : undefined
  if (repairs === undefined) return nextLoad(url, context)
  let source = await readFile(new URL(url), "utf8")
  for (const [wrong, times, right] of repairs) {
    const found = source.split(wrong).length - 1
    if (found !== times) throw new Error(`${url}: a repair no longer fits: ${wrong}`)
    source = source.replaceAll(wrong, () => right)
  }
  return { format: "module", source, shortCircuit: true }
}
