"""The sizes, counts and times that both sides hold each other to, each with its reason.

Never a setting: a limit that an operator may change lives in relay/config.py.
"""

from __future__ import annotations

from typing import Final

PROTOCOL_VERSION: Final = 2

ID_BYTES: Final = 16  # devices, conversations, transactions: random or hashed, never guessed
KEY_BYTES: Final = 32  # Ed25519 and X25519 public keys, SHA-256 identities
NONCE_BYTES: Final = 32  # hello nonces
SIGNATURE_BYTES: Final = 64  # Ed25519

# In the hybrid suite, whose keys are large, with RSA chains: a commit that adds 200 devices, or one
# that adds 20 to a group of wire.suites.MAX_LEAVES in which all parent nodes are blank.
MAX_FRAME_BYTES: Final = 2 << 20
MAX_FRAME_BYTES_STRANGER: Final = 32 << 10  # before log-in: two certificates and a proof
MAX_MESSAGE_BYTES: Final = 96 << 10  # an application message: text, padding, MLS framing
MAX_TEXT_BYTES: Final = 64 << 10  # what a person may send at once, UTF-8
MAX_ANNOUNCEMENT_BYTES: Final = 4 << 10
MAX_REASON_BYTES: Final = 512
MAX_CERTIFICATE_BYTES: Final = 4096
MAX_SEALED_ROOT_BYTES: Final = 4096
MAX_KEY_PACKAGE_BYTES: Final = 12 << 10  # two certificates and two hybrid keys; 51 fit a frame
MAX_GROUP_INFO_BYTES: Final = 64 << 10
MAX_NODE_BYTES: Final = 64 << 10  # a parent node lists its unmerged leaves: 4 bytes each
MAX_NODES_PER_COMMIT: Final = 4096
MAX_NODES_PER_FETCH: Final = 256
MAX_FETCH_BYTES: Final = 512 << 10  # an answer stays well under a frame
MAX_FETCH_ENTRIES: Final = 256
MAX_EFFECTS: Final = 512  # members that one commit may add and remove
MAX_PAGE: Final = 200  # rows of any list
MAX_QUERY_BYTES: Final = 256
MAX_PASSWORD_CHARS: Final = 128
MAX_NAME_CHARS: Final = 32
MAX_MEMBER_DEVICES: Final = 20  # of one account
MAX_GROUP_LEAVES: Final = 4096  # in any suite; see wire.suites.MAX_LEAVES

KEY_PACKAGES_KEPT: Final = 50  # one-time packages of each suite that a device keeps published
KEY_PACKAGES_REFILL_AT: Final = 25
KEY_PACKAGE_LIFETIME_S: Final = 90 * 86400  # longer ones are refused when claimed

HANDSHAKE_TIMEOUT_S: Final = 10.0
LOGIN_TIMEOUT_S: Final = 300.0  # a person types a recovery code meanwhile
REQUEST_TIMEOUT_S: Final = 30.0
PING_INTERVAL_S: Final = 20.0
PING_TIMEOUT_S: Final = 20.0

COMMIT_PACE_S: Final = 0.1  # between two commits of one conversation: only messages
COMMIT_TURN_S: Final = 2.0  # how long the next place is kept for the device that lost a race
COMMIT_ASK_S: Final = 3.0  # how long one device has to commit what the relay asks for
DEFAULT_RETENTION_S: Final = 30 * 86400
