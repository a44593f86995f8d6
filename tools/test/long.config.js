/** Tests of a package that run as root inside a private host. */
import shared from '../../ava.config.js'

export default { ...shared, files: ['tests/**/*.long.test.ts'], concurrency: 1, timeout: '5m' }
