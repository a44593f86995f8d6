/** Errors of the native libraries. */
export const nativeErrors = {
  PUR_NATIVE_MISSING: {
    kind: 'unavailable',
    retry: 'after-change',
    meaning: 'The native part of a package is not built for this machine.',
  },
} as const
