// busy.h: what it costs to share the machine.

#ifndef THREADCHECK_BUSY_H
#define THREADCHECK_BUSY_H

/// Prints times and ratios; the exit code. 1 if callers that all ask for threads take more than twice as long as
/// callers that take none.
int measure_busy(void);

#endif
