// forks.h: fork() beside the first call of a process.

#ifndef THREADCHECK_FORKS_H
#define THREADCHECK_FORKS_H

/// 0 if every child came back with the right answer. To be called before anything of the library.
int check_forks(void);

#endif
