"""What goes out with a new epoch: the Welcome for those added, the GroupInfo for those outside.

Never puts a secret of the epoch anywhere but behind a newcomer's init key. RFC 9420, 12.4.3.
"""

import os
from dataclasses import dataclass, field

from crypto.errors import PeerError, UsageError
from crypto.mls import key_schedule
from crypto.mls.applying import Applied
from crypto.mls.commit import HpkeCiphertext
from crypto.mls.extensions import (
    Extension,
    ExtensionType,
    check_unique,
    external_pub_extension,
)
from crypto.mls.group_state import NewEpoch
from crypto.mls.hpke import Random
from crypto.mls.key_package import KeyPackage
from crypto.mls.ratchet_tree import RatchetTree
from crypto.mls.suite import Signer, Suite
from crypto.mls.treekem import NewPath
from crypto.mls.welcome import (
    EncryptedGroupSecrets,
    GroupInfo,
    GroupSecrets,
    Welcome,
    encode_group_info,
    encode_welcome,
    sign_group_info,
)

LABEL = "Welcome"


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An epoch, the leaf of the member that tells others about it, and that leaf's key."""

    suite: Suite
    epoch: NewEpoch = field(repr=False)
    leaf_index: int
    signer: Signer = field(repr=False)

    def public_group_info(
        self, extensions: tuple[Extension, ...], *, tree: RatchetTree | None = None
    ) -> bytes:
        """MLSMessage(GroupInfo) with external_pub: what an external Commit needs. 12.4.3.2."""
        _, external_pub = key_schedule.external_key_pair(self.suite, self.epoch.secrets.external)
        extensions = (external_pub_extension(external_pub), *extensions)
        return encode_group_info(self._group_info(info_extensions(extensions, tree)))

    def welcome(
        self,
        applied: Applied,
        path: NewPath | None,
        extensions: tuple[Extension, ...],
        *,
        tree: RatchetTree | None = None,
        psk_secret: bytes,
        random: Random = os.urandom,
    ) -> bytes | None:
        """MLSMessage(Welcome) for everybody added, or None. 12.4.3.1."""
        if not applied.added:
            return None
        key, nonce = key_schedule.welcome_key_and_nonce(
            self.suite, self.epoch.joiner_secret, psk_secret
        )
        info = self._group_info(info_extensions(extensions, tree)).encode()
        sealed = self.suite.seal(key, nonce, aad=b"", data=info)
        secrets = tuple(
            self._secrets_for(index, key_package, applied, path, context=sealed, random=random)
            for index, key_package in applied.added
        )
        return encode_welcome(Welcome(self.suite.number, secrets, sealed))

    def _group_info(self, extensions: tuple[Extension, ...]) -> GroupInfo:
        return sign_group_info(
            self.suite,
            self.epoch.context,
            extensions,
            confirmation_tag=self.epoch.confirmation_tag,
            leaf_index=self.leaf_index,
            signer=self.signer,
        )

    def _secrets_for(
        self,
        index: int,
        key_package: KeyPackage,
        applied: Applied,
        path: NewPath | None,
        *,
        context: bytes,
        random: Random,
    ) -> EncryptedGroupSecrets:
        path_secret = None if path is None else _shared_secret(path, index)
        secrets = GroupSecrets(self.epoch.joiner_secret, path_secret, applied.psks)
        sealed = self.suite.encrypt_with_label(
            key_package.init_key,
            LABEL,
            context=context,
            plaintext=secrets.encode(),
            random=random,
        )
        return EncryptedGroupSecrets(key_package.reference(self.suite), HpkeCiphertext(*sealed))


def info_extensions(
    extensions: tuple[Extension, ...], tree: RatchetTree | None
) -> tuple[Extension, ...]:
    """The extensions of a GroupInfo, with the tree among them if it goes along. 12.4.3.3.

    Raises UsageError when a type stands twice, which everybody would refuse (13.4).
    """
    if tree is not None:
        extensions = (*extensions, Extension(ExtensionType.RATCHET_TREE, tree.encode()))
    try:
        check_unique(extensions)
    except PeerError as error:
        raise UsageError(str(error)) from None
    return extensions


def _shared_secret(path: NewPath, leaf_index: int) -> bytes:
    """The path secret of the lowest node above both the committer and a newcomer."""
    for step in path.steps:
        if step.copath.first <= leaf_index < step.copath.first + (1 << step.copath.level):
            return path.path.secrets[step.level]
    raise AssertionError("a newcomer stands beside the committer's path")
