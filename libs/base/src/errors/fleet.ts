/** Errors of hosts that make a fleet. */
export const fleetErrors = {
  PUR_HOST_NAME_TAKEN: {
    kind: 'state',
    retry: 'after-change',
    meaning: 'Another host of the fleet has the name.',
  },
  PUR_HOST_REMOVED: {
    kind: 'forbidden',
    retry: 'after-change',
    meaning: 'The host was removed from the fleet and has to join again.',
  },
  PUR_HOST_OCCUPIED: {
    kind: 'state',
    retry: 'after-change',
    meaning: 'The host has resources of its own, which would be lost by joining.',
  },
  PUR_HOST_CAPACITY: {
    kind: 'capacity',
    retry: 'after-change',
    meaning: 'Machines would be promised more of a host than its limit.',
  },
  PUR_FLEET_CERTIFICATE: {
    kind: 'state',
    retry: 'after-change',
    meaning: 'A host’s certificate was not renewed, or a renewal was refused.',
  },
  PUR_FLEET_NO_AUTHORITY: {
    kind: 'state',
    retry: 'after-change',
    meaning: 'The host does not hold the key that lets others join.',
  },
  PUR_FLEET_STATE: {
    kind: 'state',
    retry: 'after-change',
    meaning: 'The step does not fit what the host has already done: made a fleet, joined, moved.',
  },
  PUR_FLEET_TOKEN: {
    kind: 'unauthenticated',
    retry: 'after-change',
    meaning: 'The token to join by is unknown, used or too old.',
  },
} as const
