/** Errors of the boot service of a deployment network: DHCP, TFTP, HTTP. */
export const bootErrors = {
  PUR_BOOT_INTERFACE: {
    kind: 'state',
    retry: 'after-change',
    meaning: 'The interface of a deployment network is not there, or has no address in its subnet.',
  },
  PUR_BOOT_DHCP: {
    kind: 'unavailable',
    retry: 'later',
    meaning: 'The DHCP server of a deployment network did not start, or did not take a change.',
  },
  PUR_BOOT_LISTEN: {
    kind: 'state',
    retry: 'after-change',
    meaning: 'The boot service could not listen for HTTP at its address and port.',
  },
  PUR_BOOT_LOADER: {
    kind: 'state',
    retry: 'after-change',
    meaning: 'A boot loader that machines are handed is not on this host.',
  },
  PUR_BOOT_HOSTS: {
    kind: 'invalid',
    retry: 'after-change',
    meaning: 'Machines of a deployment network cannot be known together, or not by these values.',
  },
} as const
