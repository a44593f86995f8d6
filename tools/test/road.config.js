/** Tests of a package that take a whole road, minutes to an hour, as root inside a private host. */
import shared from '../../ava.config.js'

export default { ...shared, files: ['tests/**/*.road.test.ts'], concurrency: 1, timeout: '60m' }
