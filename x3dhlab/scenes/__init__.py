"""The runs and experiments that lessons show: ready-made callables handed to widgets.

A scene may use every room but grading. It does the work that a widget must not do. One module a
subject; lessons import from here.
"""

from x3dhlab.scenes.chain import forge_a_message, show_thefts, steal_from_a_chain
from x3dhlab.scenes.claims import claim_deck, fill_the_fourth, show_decided
from x3dhlab.scenes.compromise import (
    Conversation,
    conversation,
    conversation_matrix,
    handshake_matrix,
    key_lineage,
    ratchet_theatre,
)
from x3dhlab.scenes.double_ratchet import (
    key_tree,
    show_disorder,
    write_a_conversation,
    your_ratchet,
)
from x3dhlab.scenes.figures import (
    measured_sizes,
    opened_by_theft,
    show_compromise,
    show_message_sizes,
)
from x3dhlab.scenes.first_message import show_sizes, sizes_on_the_wire, your_inbox
from x3dhlab.scenes.first_steps import (
    first_message_parts,
    flip_a_bit,
    show_parts,
    weakened_handshake,
)
from x3dhlab.scenes.headers import sort_the_traffic
from x3dhlab.scenes.healing import show_cost_of_a_theft, stay_between, steal_a_state
from x3dhlab.scenes.hunting import choose_nonces, guess_a_code, recovered, show_steps
from x3dhlab.scenes.hybrid import (
    handshake_sizes,
    handshake_times,
    record_now_read_later,
    show_handshake_sizes,
    show_handshake_times,
    show_outcomes,
    three_messages,
    what_changed,
    your_program,
)
from x3dhlab.scenes.inspector import inspect_message
from x3dhlab.scenes.kdf import kdf_report, kdf_workbench, names_as_bytes
from x3dhlab.scenes.kem import (
    backend_times,
    break_the_toy,
    costs,
    failures,
    flip_a_ciphertext_bit,
    show_costs,
    show_failures,
)
from x3dhlab.scenes.keys import flip_a_key_bit, show_clients, signed_bytes, write_as_nobody
from x3dhlab.scenes.offline import (
    place_the_keys,
    show_placements,
    show_whereabouts,
    three_handshakes,
    whereabouts,
)
from x3dhlab.scenes.pools import drain_the_pool, refill_rule, refills, show_refills
from x3dhlab.scenes.quantum_ratchet import (
    braid_run,
    overhead,
    recording,
    run_the_braid,
    show_braid,
    show_loss,
    show_quantum_thefts,
)
from x3dhlab.scenes.safety import safety_numbers
from x3dhlab.scenes.server import (
    attack_console,
    keys_of,
    rehearse,
    show_unnoticed,
    unnoticed,
    watch,
)
from x3dhlab.scenes.thefts import (
    read_later,
    repeated_generator,
    show_positions,
    show_threats,
    theft_matrix,
)

__all__ = [
    "Conversation",
    "attack_console",
    "backend_times",
    "braid_run",
    "break_the_toy",
    "choose_nonces",
    "claim_deck",
    "conversation",
    "conversation_matrix",
    "costs",
    "drain_the_pool",
    "failures",
    "fill_the_fourth",
    "first_message_parts",
    "flip_a_bit",
    "flip_a_ciphertext_bit",
    "flip_a_key_bit",
    "forge_a_message",
    "guess_a_code",
    "handshake_matrix",
    "handshake_sizes",
    "handshake_times",
    "inspect_message",
    "kdf_report",
    "kdf_workbench",
    "key_lineage",
    "key_tree",
    "keys_of",
    "measured_sizes",
    "names_as_bytes",
    "opened_by_theft",
    "overhead",
    "place_the_keys",
    "ratchet_theatre",
    "read_later",
    "record_now_read_later",
    "recording",
    "recovered",
    "refill_rule",
    "refills",
    "rehearse",
    "repeated_generator",
    "run_the_braid",
    "safety_numbers",
    "show_braid",
    "show_clients",
    "show_compromise",
    "show_cost_of_a_theft",
    "show_costs",
    "show_decided",
    "show_disorder",
    "show_failures",
    "show_handshake_sizes",
    "show_handshake_times",
    "show_loss",
    "show_message_sizes",
    "show_outcomes",
    "show_parts",
    "show_placements",
    "show_positions",
    "show_quantum_thefts",
    "show_refills",
    "show_sizes",
    "show_steps",
    "show_thefts",
    "show_threats",
    "show_unnoticed",
    "show_whereabouts",
    "signed_bytes",
    "sizes_on_the_wire",
    "sort_the_traffic",
    "stay_between",
    "steal_a_state",
    "steal_from_a_chain",
    "theft_matrix",
    "three_handshakes",
    "three_messages",
    "unnoticed",
    "watch",
    "weakened_handshake",
    "what_changed",
    "whereabouts",
    "write_a_conversation",
    "write_as_nobody",
    "your_inbox",
    "your_program",
    "your_ratchet",
]
