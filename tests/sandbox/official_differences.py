"""Where the official Kubernetes plugin of January 2026 does otherwise than the tests ask.

They ask what was recorded of 4.34, which wins, or where nothing was recorded what the stand-in does. With
OFFICIAL=built each of these tests must fail, and in this way: a difference that has gone fails too.
"""

# By test, the failure as a regular expression.
DIFFERENCES = {
    # It previews a replacement under the same name beside the old object, whose actions the API server merges: refused.
    "test_from_mode_to_mode": "Expecting value",
    "test_a_guard": "must not contain both",
    # What is created belongs to `pulumi-kubernetes-<8 hex>`, by an apply; a namespace without labels belongs to nobody.
    "test_states_are_those_of_the_official_plugin": "managedFields",
    # So an annotation of what it created goes with the declaration when the account is only patched; 4.34 leaves it.
    "test_a_service_account_stays_when_it_is_not_created_any_more": "'gone', 'b'",
    # Built without C, it takes `~` from /etc/passwd, whatever HOME says.
    "test_a_second_checkout_shows_no_change[~/config]": "failed to parse kubeconfig data",
    # A service account whose role gets another path is deleted and created, in place of updated: the engine asks what
    # an unknown `metadata` would do, and it replaces.
    "test_the_page_has_what_a_change_does[path]": "Change the path of a role",
    "test_the_page_has_what_other_defaults_do[defaultnamed]": "Change `path` of `irsa:defaults`",
}
