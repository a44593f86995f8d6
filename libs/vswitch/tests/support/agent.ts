/** An agent that is killed: it brings the host to the desired state of its third argument and
 *  then ends itself by SIGKILL. `agent.ts DATABASE_SOCKET RUN_FOLDER DESIRED_JSON`. */
import { createVswitchDriver } from '../../src/index.ts'
import { datapath } from './datapath.ts'
import { reconcileOnce } from './reconcile.ts'

const [databaseSocket = '', runFolder = '', desired = ''] = process.argv.slice(2)
// As the agent's unit has it: what others may read must be said for each file.
process.umask(0o007)
const driver = createVswitchDriver({ databaseSocket, runFolder, datapath })
driver.watch(() => {}, new AbortController().signal)
await reconcileOnce(driver, JSON.parse(desired))
process.kill(process.pid, 'SIGKILL')
