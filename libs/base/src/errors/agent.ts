/** Errors of the agent's API, of the client, and of what stands between them. */
export const agentErrors = {
  PUR_AGENT_UNREACHABLE: {
    kind: 'unavailable',
    retry: 'later',
    meaning: 'No agent answers at the socket or address.',
  },
  PUR_AGENT_BUSY: {
    kind: 'state',
    retry: 'later',
    meaning: 'Another agent holds the state folder.',
  },
  PUR_AGENT_UNHEALTHY: {
    kind: 'unavailable',
    retry: 'later',
    meaning: 'The agent answers, but a part of it is stuck or missing.',
  },
  PUR_AUTH_REQUIRED: {
    kind: 'unauthenticated',
    retry: 'after-change',
    meaning: 'The call came without a valid token.',
  },
  PUR_AUTH_FORBIDDEN: {
    kind: 'forbidden',
    retry: 'after-change',
    meaning: 'The token’s role does not allow the call.',
  },
  PUR_RESOURCE_MISSING: { kind: 'missing', retry: 'after-change', meaning: 'No such resource.' },
  PUR_RESOURCE_IN_USE: {
    kind: 'state',
    retry: 'after-change',
    meaning: 'The resource is still named by others and cannot be deleted.',
  },
  PUR_RESOURCE_REVISION: {
    kind: 'revision',
    retry: 'after-change',
    meaning: 'The resource has another revision than the one the caller saw.',
  },
  PUR_KIND_NOT_SERVED: {
    kind: 'invalid',
    retry: 'after-change',
    meaning: 'This agent has no driver for that kind of resource.',
  },
  PUR_ADDRESS_POOL_EMPTY: {
    kind: 'capacity',
    retry: 'after-change',
    meaning: 'The port group’s DHCP range has no free address left.',
  },
  PUR_NIC_LIMIT: {
    kind: 'capacity',
    retry: 'after-change',
    meaning: 'A host filters at most 65,535 NICs, one conntrack zone each.',
  },
  PUR_IMAGE_MISSING: {
    kind: 'invalid',
    retry: 'after-change',
    meaning: 'The image named by a machine is not on this host.',
  },
  PUR_TASK_MISSING: { kind: 'missing', retry: 'never', meaning: 'No such task.' },
  PUR_TASK_ENDED: { kind: 'state', retry: 'never', meaning: 'The task has already ended.' },
  PUR_IDEMPOTENCY_REUSED: {
    kind: 'state',
    retry: 'never',
    meaning: 'The idempotency key was used before with another request.',
  },
  PUR_CONFIG_INVALID: {
    kind: 'invalid',
    retry: 'after-change',
    meaning: 'The configuration file cannot be used.',
  },
  PUR_HOST_UNFIT: {
    kind: 'unavailable',
    retry: 'after-change',
    meaning: 'The host lacks something Purlin needs.',
  },
  PUR_SANDBOX_BUSY: {
    kind: 'state',
    retry: 'later',
    meaning: 'A sandbox of this clone is already up.',
  },
} as const
