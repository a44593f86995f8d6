import { installerTargets } from '@purlin/deployment-template'
import test from 'ava'
import { MAC } from '../../tests/support/lives.ts'
import { inputsOf, reportOf } from '../../tests/support/samples.ts'
import { installationPlanOf } from '../api/installation-plan.ts'
import { examineInstallation, type InstallationSource } from './installation.ts'

const { spec, users, scripts } = inputsOf('db-1')

function examined(source: InstallationSource) {
  const common = { ...{ spec, users, scripts, hostname: 'db-1.example.org' }, bootMac: MAC }
  return examineInstallation({ ...common, firmware: 'bios', source, report: reportOf() })
}

test('what an installer’s kernel is started with is told of every family, before its medium is here', (t) => {
  for (const target of installerTargets) {
    const found = examined({ media: 'os', target })
    t.deepEqual(found.problems, [], target)
    const subject = { chassis: 'c1', template: 'server', source: 'media os', spec, secrets: [] }
    const { kernelArguments = '', files } = installationPlanOf(subject, found)
    const answers = files.some(({ name }) =>
      kernelArguments.includes(`http://boot.server/node/TOKEN/file/${name}`),
    )
    // Ubuntu's installer is told the folder, and asks for the names by itself.
    t.true(answers || kernelArguments.includes('s=http://boot.server/node/TOKEN/file/'), target)
    t.true(kernelArguments.includes('BOOTIF=01-52-54-00-88-00-07'), target)
    const whole = { 'ubuntu-24.04': '/media/os/purlin-installation.iso', 'sles-16': '/LiveOS/' }
    t.true(kernelArguments.includes(whole[target as keyof typeof whole] ?? 'http://'), target)
  }
})

test('an image has no installer, so its plan tells steps and no kernel', (t) => {
  const image = { family: 'debian', version: '13', file: 'x.tar.zst', sha256: '' } as const
  const found = examined({
    image: 'os',
    spec: { ...image, packages: 'apt', backend: 'networkd' },
  })
  t.is(found.kernelArguments, undefined)
  t.true((found.plan?.steps?.length ?? 0) > 10)
})
