/** Makes the .deb of the monitoring agent alone, which the daemon of long tests serves, into
 *  `.purlin/bare-metal/packages`: `node tools/bare-metal/agent-package.ts` */
import { copyFile, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bmAgentPath } from '../native/build.ts'
import { bmAgentContents } from '../package/bare-metal.ts'
import { makeDeb } from '../package/deb.ts'
import { packageVersion } from '../package/stage.ts'
import { repository } from '../repository.ts'

const output = join(repository, '.purlin/bare-metal/packages')
const staging = await mkdtemp(join(tmpdir(), 'purlin-agent-'))
try {
  await mkdir(output, { recursive: true })
  const unit = 'purlin-bm-agent.service'
  await copyFile(bmAgentPath, join(staging, 'purlin-bm-agent'))
  await copyFile(join(repository, 'tools/package/files', unit), join(staging, unit))
  await copyFile(join(repository, 'LICENSE'), join(staging, 'copyright'))
  await makeDeb(bmAgentContents, await packageVersion(), staging, output)
} finally {
  await rm(staging, { recursive: true })
}
