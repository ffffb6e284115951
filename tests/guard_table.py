"""Which guard stands behind each attack test: the source that withstands it, and what is put there.

Each row's tests must fail when its edits are made, and only then mean something. Never imported by
anything but tests.guards and its test.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Edit:
    """Exactly one place in a file: `source` stands there once, `instead` takes the guard away."""

    file: str
    source: str
    instead: str


@dataclass(frozen=True)
class Guard:
    """One defence, as edits that remove all of it, and the tests that must notice."""

    about: str
    edits: tuple[Edit, ...]
    tests: tuple[str, ...]

    @property
    def numbers(self) -> set[int]:
        """The attacks that its tests are about."""
        return {int(match[1]) for test in self.tests if (match := _NUMBER.search(test))}

    @property
    def is_unit(self) -> bool:
        """Whether its tests need no process but their own."""
        return not any(test.startswith("tests/system/") for test in self.tests)


_NUMBER: Final = re.compile(r"::test_a(\d\d)_")


def _tests(file: str, *names: str) -> tuple[str, ...]:
    return tuple(f"tests/{file}.py::test_{name}" for name in names)


_SMALL_ORDER = Edit("crypto/ed25519.py", "if y in _SMALL_ORDER_Y:", "if False:")
_EXACT = Edit(
    "crypto/certificates.py",
    "if tbs != expected_tbs or certificate != _assemble(tbs, holder.kind, by):",
    "if False:",
)
_CERTIFIED = Edit("crypto/certificates.py", "verify_certificate(holder.spki, tbs, by)", "return")
_LOW_ORDER = (
    Edit("crypto/x25519.py", "% _P in _LOW_ORDER_U:", "% _P in ():"),
    Edit(
        "crypto/x25519.py",
        'raise PeerError("bad_public_key", "the X25519 result is all zero") from None',
        "return bytes(32)",
    ),
)
_EXACT_TAG = Edit(
    "crypto/mls/suite.py",
    """        if len(tag) != self.hash_length:
            raise PeerError(code, "the tag has the wrong length")
        if not hmac.compare_digest(tag, self.mac(key, data)):
""",
    """        if not hmac.compare_digest(tag, self.mac(key, data)[: len(tag)]):
""",
)

CRYPTO: Final = (
    Guard(
        "Ed25519: points of small order",
        (_SMALL_ORDER,),
        (
            *_tests(
                "crypto/test_ed25519",
                "a31_small_order_keys_are_refused",
                "a31_a_signature_made_without_a_secret_is_refused",
            ),
            *_tests("crypto/test_labels", "a31_a_small_order_key_verifies_nothing"),
            *_tests(
                "crypto/test_identity",
                "a31_small_order_keys_are_refused_as_device_and_as_root",
            ),
        ),
    ),
    Guard(
        "Ed25519: one encoding of a key",
        (Edit("crypto/ed25519.py", "if y >= _P:", "if False:"),),
        _tests("crypto/test_ed25519", "a31_non_canonical_keys_are_refused"),
    ),
    Guard(
        "Ed25519: the signature itself",
        (
            Edit(
                "crypto/ed25519.py",
                'raise PeerError("bad_signature") from None',
                "return",
            ),
        ),
        (
            *_tests(
                "crypto/test_ed25519",
                "a33_a_second_form_of_a_signature_is_refused",
                "a33_r_in_a_second_encoding_is_refused",
            ),
            *_tests("crypto/test_labels", "a41_a_signature_for_one_purpose_verifies_for_no_other"),
            *_tests("crypto/mls/test_suite", "a41_a_signature_counts_under_its_own_label_only"),
            *_tests(
                "crypto/mls/test_framing",
                "a05_content_of_one_type_never_passes_as_another",
                "a11_a_signature_is_bound_to_all_that_it_covers",
            ),
            *_tests("relay/test_logins", "a50_a_proof_is_worth_nothing_on_another_connection"),
        ),
    ),
    Guard(
        "X25519: points of low order",
        _LOW_ORDER,
        (
            *_tests("crypto/test_x25519", "a32_low_order_points_are_refused"),
            *_tests("crypto/mls/test_joining", "a32_low_order_points_in_a_welcome_are_refused"),
            *_tests(
                "crypto/mls/test_commit_paths",
                "a32_a_low_order_point_for_one_member_is_unusable_for_it_alone",
            ),
        ),
    ),
    Guard(
        "labels: each purpose its own",
        (
            Edit(
                "crypto/labels.py",
                'label = _PREFIX + purpose.value.encode("ascii") + b"\\0"',
                "label = _PREFIX",
            ),
        ),
        _tests(
            "crypto/test_labels",
            "a41_a_signature_for_one_purpose_verifies_for_no_other",
            "a41_no_label_is_the_beginning_of_another_with_its_end",
        ),
    ),
    Guard(
        "labels: apart from MLS and certificates",
        (Edit("crypto/labels.py", '_PREFIX = b"Sotto 1.0 "', '_PREFIX = b"\\x30"'),),
        _tests(
            "crypto/test_labels",
            "a41_a_signature_of_ours_is_neither_mls_content_nor_a_certificate",
        ),
    ),
    Guard(
        "labels: nobody signs without one",
        (
            Edit(
                "engine/orders.py",
                "labels.sign(signer, Purpose.ORDER, order.signed_bytes())",
                "signer.sign(order.signed_bytes())",
            ),
        ),
        _tests("crypto/test_labels", "a41_only_labels_mls_and_the_root_key_sign"),
    ),
    Guard(
        "MLS: the label under a signature",
        (
            Edit(
                "crypto/mls/suite.py",
                "self.verify(public_key, _labeled(label) + vector(content), signature)",
                'self.verify(public_key, _labeled("one") + vector(content), signature)',
            ),
        ),
        _tests("crypto/mls/test_suite", "a41_a_signature_counts_under_its_own_label_only"),
    ),
    Guard(
        "MLS: whole tags",
        (_EXACT_TAG,),
        (
            *_tests("crypto/mls/test_suite", "a30_a_mac_of_another_length_is_refused"),
            *_tests(
                "crypto/mls/test_public_message",
                "a30_a_membership_tag_of_another_length_is_refused",
            ),
            *_tests(
                "crypto/mls/test_transcript",
                "a30_a_confirmation_tag_of_another_length_is_refused",
            ),
        ),
    ),
    Guard(
        "MLS: whole AEAD tags",
        (
            Edit(
                "crypto/mls/hpke.py",
                'raise PeerError("decryption_failed") from None',
                'return b""',
            ),
        ),
        (
            *_tests("crypto/mls/test_suite", "a30_a_cut_aead_tag_is_refused"),
            *_tests("crypto/mls/test_hpke", "a30_a_cut_ciphertext_is_refused"),
            *_tests(
                "crypto/mls/test_private_message",
                "a30_a_cut_ciphertext_is_refused_at_every_length",
            ),
        ),
    ),
    Guard(
        "MLS: suites that we have",
        (
            Edit(
                "crypto/mls/suite.py",
                'raise PeerError("unsupported_suite") from None',
                "return SUITE_1",
            ),
        ),
        _tests("crypto/mls/test_suite", "a20_a_suite_without_a_row_is_refused"),
    ),
    Guard(
        "MLS: group, epoch and kind around a ciphertext",
        (
            Edit(
                "crypto/mls/private_message.py",
                "return vector(message.group_id) + u64(message.epoch) + u8(message.content_type)",
                'return b""',
            ),
        ),
        _tests(
            "crypto/mls/test_private_message",
            "a11_a_message_opens_where_it_belongs_only",
            "a05_a_message_opens_as_its_own_kind_only",
        ),
    ),
    Guard(
        "MLS: a key is gone once it was used",
        (
            Edit(
                "crypto/mls/private_message.py",
                "return after, opened, sender_data.generation",
                "return tree, opened, sender_data.generation",
            ),
        ),
        _tests("crypto/mls/test_private_message", "a09_a_message_opens_once"),
    ),
    Guard(
        "MLS: a skipped key is given once",
        (
            Edit(
                "crypto/mls/ratchet.py",
                "left = {g: k for g, k in self.skipped.items() if g != generation}",
                "left = dict(self.skipped)",
            ),
        ),
        _tests("crypto/mls/test_ratchet", "a09_a_key_is_given_once"),
    ),
    Guard(
        "MLS: how far a ratchet is wound on",
        (
            Edit(
                "crypto/mls/ratchet.py",
                "if generation - self.generation > MOST_FORWARD or generation >= LAST_GENERATION:",
                "if False:",
            ),
            Edit(
                "crypto/mls/ratchet.py",
                "for passed in range(self.generation, generation):",
                "for passed in range(generation, generation):",
            ),
        ),
        (
            *_tests(
                "crypto/mls/test_ratchet",
                "a26_the_window_forward_is_bounded",
                "a26_the_last_generation_costs_nothing",
            ),
            *_tests("crypto/mls/test_private_message", "a26_a_generation_out_of_reach_is_refused"),
        ),
    ),
    Guard(
        "MLS: nobody speaks before a removal is committed",
        (Edit("crypto/mls/sending.py", "    if group.pending_proposals:", "    if False:"),),
        _tests("crypto/mls/test_group", "a16_nobody_sends_while_a_removal_is_pending"),
    ),
    Guard(
        "MLS: a path is what it says",
        (
            Edit(
                "crypto/mls/treekem.py",
                "if path.leaf_node.content.parent_hash != leaf_hash:",
                "if False:",
            ),
            Edit(
                "crypto/mls/treekem.py",
                "if receivers != len(node.encrypted_path_secrets):",
                "if False:",
            ),
        ),
        _tests("crypto/mls/test_commit_paths", "a25_a_spoilt_path_is_refused_by_everybody"),
    ),
    Guard(
        "MLS: a path secret that does not open",
        (Edit("crypto/mls/staging.py", "raise UnusablePath(error.code) from error", "raise"),),
        _tests(
            "crypto/mls/test_commit_paths",
            "a25_each_receiver_of_a_spoilt_secret_finds_its_path_unusable",
        ),
    ),
    Guard(
        "MLS: a resync brings new keys",
        (
            Edit(
                "crypto/mls/staging.py",
                "if old is not None and old.encryption_key == leaf.encryption_key:",
                "if False:",
            ),
        ),
        _tests(
            "crypto/mls/test_external_commits",
            "a29_a_resync_keeps_no_key_of_the_leaf_that_it_removes",
        ),
    ),
    Guard(
        "MLS: every leaf is checked alone",
        (
            Edit(
                "crypto/mls/leaf_rules.py",
                """    _check_keys(suite, leaf)
    _check_capabilities(suite, leaf)
""",
                "",
            ),
        ),
        _tests("crypto/mls/test_leaf_doors", "a34_each_invalid_leaf_is_refused_at_each_door"),
    ),
    Guard(
        "MLS: what a leaf was made for",
        (
            Edit(
                "crypto/mls/proposal_rules.py",
                'raise PeerError("VAL-7.3-7", "the leaf was made for something else")',
                "pass",
            ),
        ),
        _tests("crypto/mls/test_leaf_doors", "a34_a_leaf_made_for_something_else_is_refused"),
    ),
    Guard(
        "codec: never beyond the end",
        (Edit("crypto/mls/codec.py", "if size < 0 or stop > self._end:", "if False:"),),
        _tests("crypto/mls/test_codec", "a66_any_bytes_are_read_or_malformed"),
    ),
    Guard(
        "DER: never beyond the end",
        (
            Edit(
                "crypto/der.py",
                "if len(header) < 2 or header[0] != tag:",
                "if header[0] != tag:",
            ),
        ),
        _tests("crypto/test_der", "a66_noise_raises_peer_errors_only"),
    ),
    Guard(
        "certificates: exactly ours, and signed",
        (_EXACT, _CERTIFIED),
        _tests(
            "crypto/test_identity",
            "a02_a_device_of_the_relays_own_root_does_not_become_another_accounts",
            "a02_another_accounts_certificates_are_refused",
            "a02_the_same_root_under_another_account_name_does_not_take_the_device",
            "a02_other_dates_are_refused",
            "a81_tricks_in_either_certificate_are_refused",
            "a81_tricks_in_a_device_certificate_are_refused",
            "a81_tricks_in_a_root_certificate_are_refused",
            "a81_the_algorithm_outside_must_be_the_one_inside",
            "a81_each_flipped_bit_and_each_cut_is_refused",
            "a81_bytes_outside_and_other_length_forms_are_refused",
            "a81_a_signature_of_another_size_or_with_unused_bits_is_refused",
            "a81_an_rsa_key_in_a_second_encoding_is_refused",
            "a81_a_chain_is_refused_again_after_a_good_one_was_kept",
        ),
    ),
    Guard(
        "certificates: a chain of two",
        (
            Edit(
                "crypto/identity.py",
                'raise PeerError("bad_certificate", "a chain is a device\'s and a root\'s certificate")',
                "pass",
            ),
        ),
        _tests("crypto/test_identity", "a02_a_self_signed_device_is_refused"),
    ),
    Guard(
        "certificates: a device has a key of its own",
        (
            _EXACT,
            _CERTIFIED,
            Edit(
                "crypto/certificates.py",
                'raise PeerError("bad_certificate", "the device\'s key is the root\'s")',
                "pass",
            ),
        ),
        _tests("crypto/test_identity", "a81_a_root_key_as_device_key_is_refused"),
    ),
    Guard(
        "safety numbers: made of both roots",
        (
            Edit(
                "crypto/safety_number.py",
                "account.encode(), root_identity)",
                "account.encode())",
            ),
            Edit(
                "crypto/safety_number.py",
                "digest = sha512(digest + root_identity).digest()",
                "digest = sha512(digest).digest()",
            ),
        ),
        (
            *_tests(
                "crypto/test_safety_number",
                "a03_a_man_in_the_middle_shows_in_the_number",
                "a04_each_bit_of_the_root_and_the_name_count",
            ),
            *_tests(
                "engine/test_contacts", "a03_numbers_are_the_same_unless_somebody_sits_between"
            ),
        ),
    ),
    Guard(
        "recovery: one size",
        (Edit("crypto/recovery.py", 'padded_bytes, b"\\0"', '0, b"\\0"'),),
        _tests("crypto/test_recovery", "a58_the_sealed_size_tells_the_kind_and_nothing_else"),
    ),
    Guard(
        "locks: the key is encrypted",
        (
            Edit(
                "crypto/sealing.py",
                "sealed = AESGCM(wrapping_key).encrypt(nonce, data_key, _bound_to(context))",
                "sealed = data_key + bytes(16)",
            ),
        ),
        _tests("crypto/test_sealing", "a51_the_lock_does_not_hold_the_key_in_the_clear"),
    ),
)

GUARDS: Final = CRYPTO
