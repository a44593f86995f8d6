import { join } from 'node:path'
import type { DaemonOptions } from '@purlin/simulated-chassis'
import { repository } from '../../repository.ts'

/** The daemon of this clone, as a benchmark runs it. */
export const benchDaemon: Pick<DaemonOptions, 'command' | 'discoveryFolder' | 'packagesFolder'> = {
  command: [
    process.execPath,
    '--conditions=purlin-source',
    '--disable-warning=ExperimentalWarning',
    join(repository, 'apps/baremetal-pxe/src/main.ts'),
  ],
  discoveryFolder: join(repository, '.purlin/discovery'),
  packagesFolder: join(repository, '.purlin/bare-metal/packages'),
}

/** Where set-up puts the root image and the installation medium. */
export const builtFolder = join(repository, '.purlin/bare-metal')
