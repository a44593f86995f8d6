/** Errors of the files of installation media and root images. */
export const mediaErrors = {
  PUR_MEDIA_ABSENT: {
    kind: 'state',
    retry: 'after-change',
    meaning: 'A medium or image waits for its file to be uploaded.',
  },
  PUR_MEDIA_BUSY: {
    kind: 'state',
    retry: 'later',
    meaning: 'The file of a medium or image is being received or extracted already.',
  },
  PUR_MEDIA_OFFSET: {
    kind: 'state',
    retry: 'after-change',
    meaning: 'An upload goes on elsewhere than where the part that is here ends.',
  },
  PUR_MEDIA_FETCH: {
    kind: 'failed',
    retry: 'after-change',
    meaning: 'The address of a medium or image did not give its file.',
  },
  PUR_MEDIA_CHECKSUM: {
    kind: 'failed',
    retry: 'after-change',
    meaning: 'A file is not the one whose SHA-256 was given, or has been damaged since.',
  },
  PUR_MEDIA_SPACE: {
    kind: 'capacity',
    retry: 'after-change',
    meaning: 'The disk of the daemon has no room for a medium or image.',
  },
  PUR_MEDIA_HOSTILE: {
    kind: 'failed',
    retry: 'after-change',
    meaning: 'A medium cannot be extracted: damaged, or with files that leave its tree.',
  },
  PUR_MEDIA_LAYOUT: {
    kind: 'failed',
    retry: 'after-change',
    meaning: 'A medium does not hold the installer of its family and version.',
  },
} as const
