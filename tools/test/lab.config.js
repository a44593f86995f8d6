/** Tests of a package that run as root in a guest of the kernel lab, whose clock goes on with its
 *  work, so that it is slow and does not know it. */
import shared from '../../ava.config.js'

export default {
  ...shared,
  files: ['tests/**/*.netns.test.ts', 'tests/**/*.lab.test.ts'],
  concurrency: 1,
  timeout: '20m',
}
