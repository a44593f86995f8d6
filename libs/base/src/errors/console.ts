/** Errors of machines' consoles: serial ports and screens. */
export const consoleErrors = {
  PUR_CONSOLE_ABSENT: {
    kind: 'state',
    retry: 'after-change',
    meaning: 'The machine runs without a console of that kind.',
  },
  PUR_CONSOLE_BUSY: {
    kind: 'state',
    retry: 'later',
    meaning: 'Somebody else is at the machine’s serial console.',
  },
  PUR_CONSOLE_LIMIT: {
    kind: 'capacity',
    retry: 'later',
    meaning: 'So many consoles of the machine or of its host are open already.',
  },
  PUR_CONSOLE_TOKEN: {
    kind: 'unauthenticated',
    retry: 'after-change',
    meaning: 'The token of the console was used already, is too old, or was never given out.',
  },
} as const
