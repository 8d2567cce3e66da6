/* The key that signs session ids, kept in the user's state folder so that they outlive a restart. */
#ifndef KM_APP_STATE_KEY_H
#define KM_APP_STATE_KEY_H

#include "kube_mcp/base/crypto.h"

/* Reads $STATE_DIRECTORY/session.key or $XDG_STATE_HOME/kube-mcp/session.key (default ~/.local/state), creating it
 * (mode 0600) if absent. Leaves RET empty when that is not possible; the caller then uses a key of this process. */
void state_key_load(struct km_secret *ret);

#endif
