/** Suites of a package that run in the kernel lab, with what they find there. */
export interface LabSuite {
  /** Of the package, in the repository. */
  readonly folder: string
  /** What of it: a guest has its time, so that a package may need several. */
  readonly part: string
  /** Patterns of files in it, as AVA takes them. */
  readonly files: readonly string[]
  /** Modules that most of their processes load; one that ends the process goes last. */
  readonly warm: readonly string[]
  readonly environment: Readonly<Record<string, string>>
}

const SUPPORT = 'libs/vswitch/tests/support'

const onKernelDatapath = {
  folder: 'libs/vswitch',
  warm: ['rig.ts', 'reconcile.ts', 'client.ts'].map((name) => `${SUPPORT}/${name}`),
  environment: { PURLIN_TEST_DATAPATH: 'system' },
}

/** What runs on Debian's kernel: everything of the switch on Open vSwitch's kernel datapath, what
 *  needs a kernel with bonding, and volumes as devices of the kernel's NBD client. */
export const labSuites: readonly LabSuite[] = [
  {
    ...onKernelDatapath,
    part: 'switches',
    files: ['tests/switch-*.netns.test.ts', 'tests/*.lab.test.ts'],
  },
  {
    ...onKernelDatapath,
    part: 'services and flows',
    files: ['vswitch', 'dhcp', 'openflow'].map((name) => `tests/${name}.netns.test.ts`),
  },
  {
    ...onKernelDatapath,
    part: 'routers',
    files: ['tests/router*.netns.test.ts'],
  },
  {
    folder: 'libs/storage',
    part: 'mapped volumes',
    files: ['tests/*.lab.test.ts'],
    warm: ['apps/cli/src/program.ts', 'libs/storage/src/index.ts'],
    environment: {},
  },
]
