/** Errors of the distributed switch. */
export const vswitchErrors = {
  PUR_OVS_UNREACHABLE: {
    kind: 'unavailable',
    retry: 'later',
    meaning: 'The Open vSwitch database does not answer on its socket.',
  },
  PUR_OVS_REFUSED: {
    kind: 'failed',
    retry: 'after-change',
    meaning: 'The Open vSwitch database refused a transaction.',
  },
  PUR_OPENFLOW_REFUSED: {
    kind: 'failed',
    retry: 'after-change',
    meaning: 'Open vSwitch refused flows or meters of a bridge.',
  },
  PUR_UPLINK_UNCONFIRMED: {
    kind: 'state',
    retry: 'after-change',
    meaning: 'Nobody confirmed a change of uplinks over the new path, so it was taken back.',
  },
  PUR_SWITCH_NAME_TAKEN: {
    kind: 'state',
    retry: 'after-change',
    meaning: 'A bridge or interface of that name exists and is not Purlin’s.',
  },
  PUR_PORT_LEFT: {
    kind: 'state',
    retry: 'later',
    meaning: 'What is left of a port that nobody wants waits until no machine uses it.',
  },
  PUR_SWITCH_IN_USE: {
    kind: 'state',
    retry: 'after-change',
    meaning: 'A switch still carries ports that are not Purlin’s, so it is not removed.',
  },
  PUR_LINK_FAILED: {
    kind: 'failed',
    retry: 'later',
    meaning: 'A link of the host could not be made or changed.',
  },
  PUR_FABRIC_DEAD: {
    kind: 'state',
    retry: 'after-change',
    meaning: 'The network of a port group does not reach the host that a port should move to.',
  },
  PUR_PORT_MOVE: {
    kind: 'state',
    retry: 'after-change',
    meaning: 'A port cannot be moved so, or its move cannot be given up any more.',
  },
  PUR_ROUTER_FAILED: {
    kind: 'failed',
    retry: 'later',
    meaning: 'A router of this host could not be made or changed.',
  },
  PUR_DHCP_FAILED: {
    kind: 'failed',
    retry: 'later',
    meaning: 'The DHCP and name service of a port group does not run.',
  },
} as const
