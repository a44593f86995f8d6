import test from 'ava'
import { completeLock } from './complete-lock.ts'

test('optional packages of other platforms are added with version and platform, once', (t) => {
  const lock = {
    packages: {
      '': {},
      'node_modules/cli': {
        version: '2.0.0',
        optionalDependencies: {
          '@x/cli-darwin-arm64': '2.0.0',
          '@x/cli-linux-x64': '2.0.0',
          loose: '^1.0.0',
        },
      },
      'node_modules/@x/cli-linux-x64': { version: '2.0.0' },
    },
  }
  const once = completeLock(lock)
  t.deepEqual(once.added, ['@x/cli-darwin-arm64@2.0.0'])
  t.deepEqual(once.lock.packages['node_modules/@x/cli-darwin-arm64'], {
    version: '2.0.0',
    cpu: ['arm64'],
    os: ['darwin'],
    optional: true,
  })
  t.deepEqual(completeLock(once.lock).added, [])
})
