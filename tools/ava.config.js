/** The tools' unit tests lie beside the code, without a folder src. */
import shared from '../ava.config.js'

export default { ...shared, files: ['**/*.test.ts', '!**/*.{netns,long}.test.ts'] }
