/** Version of the daemon; the packages carry the same. */
export const VERSION = '0.1.0'
