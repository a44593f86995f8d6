/** Errors of virtual machines. */
export const virtErrors = {
  PUR_VIRT_UNREACHABLE: {
    kind: 'unavailable',
    retry: 'later',
    meaning: 'libvirtd does not answer.',
  },
  PUR_VIRT_TIMEOUT: {
    kind: 'timeout',
    retry: 'later',
    meaning: 'A call to libvirtd did not end within its deadline.',
  },
  PUR_VIRT_NO_DOMAIN: { kind: 'missing', retry: 'after-change', meaning: 'No such domain.' },
  PUR_VIRT_DOMAIN_EXISTS: {
    kind: 'state',
    retry: 'after-change',
    meaning: 'A domain of that name or id exists already.',
  },
  PUR_VIRT_NAME_TAKEN: {
    kind: 'state',
    retry: 'after-change',
    meaning: 'A domain of that name exists and is not Purlin’s.',
  },
  PUR_VIRT_REFUSED: {
    kind: 'state',
    retry: 'after-change',
    meaning: 'libvirt refused the operation in the domain’s present state.',
  },
  PUR_VIRT_AGENT_UNRESPONSIVE: {
    kind: 'unavailable',
    retry: 'later',
    meaning: 'The guest agent of the machine does not answer.',
  },
  PUR_VIRT_IO_ERROR: {
    kind: 'unavailable',
    retry: 'later',
    meaning: 'A machine stops on errors of its disks as soon as it is resumed.',
  },
  PUR_VIRT_DISK_SIZE: {
    kind: 'unavailable',
    retry: 'later',
    meaning: 'A running guest does not know yet that a disk of it is larger.',
  },
  PUR_VIRT_POWER: {
    kind: 'state',
    retry: 'after-change',
    meaning: 'What was asked for is not possible in the machine’s present power state.',
  },
  PUR_VIRT_CRASHES: {
    kind: 'failed',
    retry: 'after-change',
    meaning: 'A machine went off by itself so often that it is not started again.',
  },
  PUR_VIRT_UNCERTAIN: {
    kind: 'failed',
    retry: 'after-change',
    meaning: 'Something that is done once was begun, and it is not known whether it was done.',
  },
  PUR_VIRT_LEASED: {
    kind: 'state',
    retry: 'later',
    meaning: 'Another host has the lease of the machine, and may run it.',
  },
  PUR_VIRT_NOT_ADOPTABLE: {
    kind: 'state',
    retry: 'after-change',
    meaning: 'A domain of somebody else has what a machine of Purlin cannot have.',
  },
  PUR_VIRT_ADOPTED: {
    kind: 'state',
    retry: 'after-change',
    meaning: 'A machine was taken in while it ran, and its NICs are not filtered yet.',
  },
  PUR_VIRT_FAILED: { kind: 'failed', retry: 'after-change', meaning: 'libvirt reported an error.' },
} as const
