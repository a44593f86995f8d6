/** Suites of a package that run in the kernel lab, with what they find there. */
export interface LabSuite {
  /** Of the package, in the repository. */
  readonly folder: string
  /** Patterns of files in it, as AVA takes them. */
  readonly files: readonly string[]
  /** Modules that most of their processes load; one that ends the process goes last. */
  readonly warm: readonly string[]
  readonly environment: Readonly<Record<string, string>>
}

const SUPPORT = 'libs/vswitch/tests/support'

/** What runs on Debian's kernel: the switch on Open vSwitch's kernel datapath, what needs a kernel
 *  with bonding, and volumes as devices of the kernel's NBD client. Services and routers are the
 *  same on every datapath. */
export const labSuites: readonly LabSuite[] = [
  {
    folder: 'libs/vswitch',
    files: ['tests/switch-*.netns.test.ts', 'tests/*.lab.test.ts'],
    warm: ['rig.ts', 'reconcile.ts', 'client.ts'].map((name) => `${SUPPORT}/${name}`),
    environment: { PURLIN_TEST_DATAPATH: 'system' },
  },
  {
    folder: 'libs/storage',
    files: ['tests/*.lab.test.ts'],
    warm: ['apps/cli/src/program.ts', 'libs/storage/src/index.ts'],
    environment: {},
  },
]
