// reach.h: how far away the tensors of a call lie.

#ifndef CK_REACH_H
#define CK_REACH_H

/// By the bytes of a call: in a part of the last cache level, where outputs may go past the caches if it is not so, or
/// may not; beyond that part; so far that outputs go past the caches.
typedef enum ck_reach { CK_NEAR_OR_STREAMED, CK_NEAR, CK_FAR, CK_STREAMED } ck_reach;

#endif
