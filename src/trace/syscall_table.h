/* SPDX-License-Identifier: MIT */
/* All system calls of Linux on x86-64, one a line: what the recorder does about each. The plugin, the recorder's last
 * words and docs/recording.md come from here.
 *
 *     X(number, name, class, trust, host, work, "note")
 *
 * class   MODELLED  has an event that a replay acts on
 *         COUNTED   is in the trace with its arguments and result
 *         REFUSED   the program gets an error that Linux would not give
 *         NONE      Linux has no such call any more
 * trust   SAME      comes out as on Linux
 *         DIFFERS   it does not
 *         UNKNOWN   nobody has looked closely enough; calls of these two are counted and told when a recording ends
 * host    when the emulator's word is replaced by the kernel's: NEVER, ALWAYS, when it was REFUSED (ENOSYS, or EFAULT
 *         because the emulator does not know the buffer), or also when the emulator gave the error named here, as it
 *         does for what it has never heard of */
#ifndef VMSIM__SYSCALL_TABLE_H
#define VMSIM__SYSCALL_TABLE_H
#include <stdint.h>

enum { VMSIM__SYSCALLS = 512 }; /* numbers end below */

enum vmsim__syscall_host {
    VMSIM__HOST_NEVER,
    VMSIM__HOST_REFUSED,
    VMSIM__HOST_ALWAYS,
    VMSIM__HOST_ENOTTY,
    VMSIM__HOST_ENOPROTOOPT,
    VMSIM__HOST_EINVAL,
};

enum vmsim__syscall_work {
    VMSIM__WORK_OF_SHORT,
    VMSIM__WORK_OF_PATH,    /* a path is looked up */
    VMSIM__WORK_OF_NAME,    /* a name is made, moved or removed */
    VMSIM__WORK_OF_OBJECT,  /* a pipe, socket or the like is made */
    VMSIM__WORK_OF_ENTRIES, /* of a directory, as many bytes as the result says */
    VMSIM__WORK_OF_SOCKET,
    VMSIM__WORK_OF_MESSAGE,
    VMSIM__WORK_OF_WAIT,
};

/* Of a call by its number; SHORT where there is none. */
enum vmsim__syscall_work vmsim__syscall_work(uint64_t number);

/* clang-format off */
#define VMSIM__SYSCALL_TABLE(X) \
    X(0, read, MODELLED, SAME, REFUSED, SHORT, "") \
    X(1, write, MODELLED, SAME, REFUSED, SHORT, "") \
    X(2, open, MODELLED, SAME, REFUSED, PATH, "") \
    X(3, close, MODELLED, SAME, REFUSED, SHORT, "") \
    X(4, stat, COUNTED, SAME, REFUSED, PATH, "") \
    X(5, fstat, COUNTED, SAME, REFUSED, SHORT, "") \
    X(6, lstat, COUNTED, SAME, REFUSED, PATH, "") \
    X(7, poll, COUNTED, SAME, REFUSED, WAIT, "") \
    X(8, lseek, COUNTED, SAME, REFUSED, SHORT, "") \
    X(9, mmap, MODELLED, SAME, NEVER, SHORT, "") \
    X(10, mprotect, MODELLED, SAME, NEVER, SHORT, "") \
    X(11, munmap, MODELLED, SAME, NEVER, SHORT, "") \
    X(12, brk, MODELLED, SAME, NEVER, SHORT, "") \
    X(13, rt_sigaction, COUNTED, SAME, NEVER, SHORT, "") \
    X(14, rt_sigprocmask, COUNTED, SAME, NEVER, SHORT, "") \
    X(15, rt_sigreturn, COUNTED, SAME, NEVER, SHORT, "") \
    X(16, ioctl, COUNTED, SAME, ENOTTY, SHORT, "") \
    X(17, pread64, MODELLED, SAME, REFUSED, SHORT, "") \
    X(18, pwrite64, MODELLED, SAME, REFUSED, SHORT, "") \
    X(19, readv, MODELLED, SAME, REFUSED, SHORT, "") \
    X(20, writev, MODELLED, SAME, REFUSED, SHORT, "") \
    X(21, access, COUNTED, SAME, REFUSED, PATH, "") \
    X(22, pipe, COUNTED, SAME, REFUSED, OBJECT, "") \
    X(23, select, COUNTED, SAME, REFUSED, WAIT, "") \
    X(24, sched_yield, COUNTED, SAME, REFUSED, WAIT, "") \
    X(25, mremap, MODELLED, SAME, NEVER, SHORT, "") \
    X(26, msync, MODELLED, SAME, REFUSED, SHORT, "") \
    X(27, mincore, COUNTED, SAME, REFUSED, SHORT, "") \
    X(28, madvise, MODELLED, SAME, ALWAYS, SHORT, "") \
    X(29, shmget, COUNTED, SAME, REFUSED, SHORT, "") \
    X(30, shmat, MODELLED, SAME, REFUSED, SHORT, "") \
    X(31, shmctl, MODELLED, SAME, REFUSED, SHORT, "") \
    X(32, dup, COUNTED, SAME, REFUSED, SHORT, "") \
    X(33, dup2, COUNTED, SAME, REFUSED, SHORT, "") \
    X(34, pause, COUNTED, SAME, REFUSED, WAIT, "") \
    X(35, nanosleep, COUNTED, SAME, REFUSED, WAIT, "") \
    X(36, getitimer, COUNTED, SAME, REFUSED, SHORT, "") \
    X(37, alarm, COUNTED, SAME, REFUSED, WAIT, "") \
    X(38, setitimer, COUNTED, SAME, REFUSED, WAIT, "") \
    X(39, getpid, COUNTED, SAME, REFUSED, SHORT, "") \
    X(40, sendfile, MODELLED, SAME, REFUSED, SHORT, "") \
    X(41, socket, COUNTED, SAME, REFUSED, OBJECT, "") \
    X(42, connect, COUNTED, SAME, REFUSED, SOCKET, "") \
    X(43, accept, COUNTED, SAME, REFUSED, OBJECT, "") \
    X(44, sendto, COUNTED, SAME, REFUSED, SOCKET, "") \
    X(45, recvfrom, COUNTED, SAME, REFUSED, SOCKET, "") \
    X(46, sendmsg, COUNTED, SAME, REFUSED, SOCKET, "") \
    X(47, recvmsg, COUNTED, SAME, REFUSED, SOCKET, "") \
    X(48, shutdown, COUNTED, SAME, REFUSED, MESSAGE, "") \
    X(49, bind, COUNTED, SAME, REFUSED, MESSAGE, "") \
    X(50, listen, COUNTED, SAME, REFUSED, MESSAGE, "") \
    X(51, getsockname, COUNTED, SAME, REFUSED, MESSAGE, "") \
    X(52, getpeername, COUNTED, SAME, REFUSED, MESSAGE, "") \
    X(53, socketpair, COUNTED, SAME, REFUSED, OBJECT, "") \
    X(54, setsockopt, COUNTED, SAME, ENOPROTOOPT, MESSAGE, "") \
    X(55, getsockopt, COUNTED, SAME, ENOPROTOOPT, MESSAGE, "") \
    X(56, clone, MODELLED, SAME, NEVER, SHORT, "refused (EINVAL) for a child in namespaces of its own") \
    X(57, fork, MODELLED, SAME, NEVER, SHORT, "") \
    X(58, vfork, MODELLED, SAME, NEVER, SHORT, "the child is a process of its own; what it stores is carried over") \
    X(59, execve, MODELLED, SAME, NEVER, PATH, "") \
    X(60, exit, MODELLED, SAME, NEVER, SHORT, "") \
    X(61, wait4, MODELLED, SAME, NEVER, WAIT, "") \
    X(62, kill, MODELLED, SAME, REFUSED, WAIT, "") \
    X(63, uname, COUNTED, SAME, REFUSED, SHORT, "") \
    X(64, semget, COUNTED, SAME, REFUSED, SHORT, "") \
    X(65, semop, COUNTED, SAME, REFUSED, WAIT, "") \
    X(66, semctl, COUNTED, SAME, REFUSED, SHORT, "") \
    X(67, shmdt, MODELLED, SAME, REFUSED, SHORT, "") \
    X(68, msgget, COUNTED, SAME, REFUSED, SHORT, "") \
    X(69, msgsnd, COUNTED, SAME, REFUSED, MESSAGE, "") \
    X(70, msgrcv, COUNTED, SAME, REFUSED, MESSAGE, "") \
    X(71, msgctl, COUNTED, SAME, REFUSED, SHORT, "") \
    X(72, fcntl, COUNTED, SAME, EINVAL, SHORT, "") \
    X(73, flock, COUNTED, SAME, REFUSED, WAIT, "") \
    X(74, fsync, MODELLED, SAME, REFUSED, SHORT, "") \
    X(75, fdatasync, MODELLED, SAME, REFUSED, SHORT, "") \
    X(76, truncate, MODELLED, SAME, REFUSED, PATH, "") \
    X(77, ftruncate, MODELLED, SAME, REFUSED, SHORT, "") \
    X(78, getdents, COUNTED, SAME, REFUSED, ENTRIES, "") \
    X(79, getcwd, COUNTED, SAME, REFUSED, PATH, "") \
    X(80, chdir, COUNTED, SAME, REFUSED, PATH, "") \
    X(81, fchdir, COUNTED, SAME, REFUSED, SHORT, "") \
    X(82, rename, MODELLED, SAME, REFUSED, NAME, "") \
    X(83, mkdir, COUNTED, SAME, REFUSED, NAME, "") \
    X(84, rmdir, COUNTED, SAME, REFUSED, NAME, "") \
    X(85, creat, MODELLED, SAME, REFUSED, NAME, "") \
    X(86, link, COUNTED, SAME, REFUSED, NAME, "") \
    X(87, unlink, MODELLED, SAME, REFUSED, NAME, "") \
    X(88, symlink, COUNTED, SAME, REFUSED, NAME, "") \
    X(89, readlink, COUNTED, SAME, REFUSED, PATH, "") \
    X(90, chmod, COUNTED, SAME, REFUSED, PATH, "") \
    X(91, fchmod, COUNTED, SAME, REFUSED, SHORT, "") \
    X(92, chown, COUNTED, SAME, REFUSED, PATH, "") \
    X(93, fchown, COUNTED, SAME, REFUSED, SHORT, "") \
    X(94, lchown, COUNTED, SAME, REFUSED, PATH, "") \
    X(95, umask, COUNTED, SAME, REFUSED, SHORT, "") \
    X(96, gettimeofday, MODELLED, SAME, REFUSED, SHORT, "") \
    X(97, getrlimit, COUNTED, SAME, REFUSED, SHORT, "") \
    X(98, getrusage, COUNTED, SAME, REFUSED, SHORT, "") \
    X(99, sysinfo, COUNTED, SAME, REFUSED, SHORT, "") \
    X(100, times, COUNTED, SAME, REFUSED, SHORT, "") \
    X(101, ptrace, REFUSED, DIFFERS, NEVER, SHORT, "refused with ENOSYS: the traced would be the emulator; only leak checkers get through to it") \
    X(102, getuid, COUNTED, SAME, REFUSED, SHORT, "") \
    X(103, syslog, COUNTED, SAME, REFUSED, SHORT, "") \
    X(104, getgid, COUNTED, SAME, REFUSED, SHORT, "") \
    X(105, setuid, COUNTED, SAME, REFUSED, SHORT, "") \
    X(106, setgid, COUNTED, SAME, REFUSED, SHORT, "") \
    X(107, geteuid, COUNTED, SAME, REFUSED, SHORT, "") \
    X(108, getegid, COUNTED, SAME, REFUSED, SHORT, "") \
    X(109, setpgid, COUNTED, SAME, REFUSED, SHORT, "") \
    X(110, getppid, COUNTED, SAME, REFUSED, SHORT, "") \
    X(111, getpgrp, COUNTED, SAME, REFUSED, SHORT, "") \
    X(112, setsid, COUNTED, SAME, REFUSED, SHORT, "") \
    X(113, setreuid, COUNTED, SAME, REFUSED, SHORT, "") \
    X(114, setregid, COUNTED, SAME, REFUSED, SHORT, "") \
    X(115, getgroups, COUNTED, SAME, REFUSED, SHORT, "") \
    X(116, setgroups, COUNTED, SAME, REFUSED, SHORT, "") \
    X(117, setresuid, COUNTED, SAME, REFUSED, SHORT, "") \
    X(118, getresuid, COUNTED, SAME, REFUSED, SHORT, "") \
    X(119, setresgid, COUNTED, SAME, REFUSED, SHORT, "") \
    X(120, getresgid, COUNTED, SAME, REFUSED, SHORT, "") \
    X(121, getpgid, COUNTED, SAME, REFUSED, SHORT, "") \
    X(122, setfsuid, COUNTED, SAME, REFUSED, SHORT, "") \
    X(123, setfsgid, COUNTED, SAME, REFUSED, SHORT, "") \
    X(124, getsid, COUNTED, SAME, REFUSED, SHORT, "") \
    X(125, capget, COUNTED, SAME, REFUSED, SHORT, "") \
    X(126, capset, COUNTED, SAME, REFUSED, SHORT, "") \
    X(127, rt_sigpending, COUNTED, SAME, REFUSED, SHORT, "") \
    X(128, rt_sigtimedwait, COUNTED, SAME, REFUSED, WAIT, "") \
    X(129, rt_sigqueueinfo, COUNTED, SAME, REFUSED, WAIT, "") \
    X(130, rt_sigsuspend, COUNTED, SAME, NEVER, WAIT, "") \
    X(131, sigaltstack, COUNTED, SAME, NEVER, SHORT, "") \
    X(132, utime, COUNTED, SAME, REFUSED, PATH, "") \
    X(133, mknod, COUNTED, SAME, REFUSED, NAME, "") \
    X(134, uselib, NONE, SAME, NEVER, SHORT, "Linux has none, either") \
    X(135, personality, COUNTED, SAME, REFUSED, SHORT, "") \
    X(136, ustat, NONE, SAME, NEVER, SHORT, "Linux has none, either") \
    X(137, statfs, COUNTED, SAME, REFUSED, PATH, "") \
    X(138, fstatfs, COUNTED, SAME, REFUSED, SHORT, "") \
    X(139, sysfs, NONE, SAME, NEVER, SHORT, "Linux has none, either") \
    X(140, getpriority, COUNTED, SAME, REFUSED, SHORT, "") \
    X(141, setpriority, COUNTED, SAME, REFUSED, SHORT, "") \
    X(142, sched_setparam, COUNTED, SAME, REFUSED, SHORT, "") \
    X(143, sched_getparam, COUNTED, SAME, REFUSED, SHORT, "") \
    X(144, sched_setscheduler, COUNTED, SAME, REFUSED, SHORT, "") \
    X(145, sched_getscheduler, COUNTED, SAME, REFUSED, SHORT, "") \
    X(146, sched_get_priority_max, COUNTED, SAME, REFUSED, SHORT, "") \
    X(147, sched_get_priority_min, COUNTED, SAME, REFUSED, SHORT, "") \
    X(148, sched_rr_get_interval, COUNTED, SAME, REFUSED, SHORT, "") \
    X(149, mlock, MODELLED, SAME, REFUSED, SHORT, "") \
    X(150, munlock, MODELLED, SAME, REFUSED, SHORT, "") \
    X(151, mlockall, MODELLED, UNKNOWN, REFUSED, SHORT, "the emulator is locked, too, and counts against the limit") \
    X(152, munlockall, MODELLED, SAME, REFUSED, SHORT, "") \
    X(153, vhangup, COUNTED, SAME, REFUSED, SHORT, "") \
    X(154, modify_ldt, COUNTED, UNKNOWN, NEVER, SHORT, "") \
    X(155, pivot_root, COUNTED, UNKNOWN, REFUSED, PATH, "programs executed behind it cannot be recorded") \
    X(156, _sysctl, NONE, SAME, NEVER, SHORT, "Linux has none, either") \
    X(157, prctl, MODELLED, SAME, REFUSED, SHORT, "") \
    X(158, arch_prctl, COUNTED, SAME, NEVER, SHORT, "") \
    X(159, adjtimex, COUNTED, SAME, REFUSED, SHORT, "") \
    X(160, setrlimit, MODELLED, SAME, NEVER, SHORT, "limits of memory are kept for the program, not for the emulator") \
    X(161, chroot, COUNTED, UNKNOWN, REFUSED, PATH, "programs executed behind it cannot be recorded") \
    X(162, sync, COUNTED, SAME, REFUSED, SHORT, "") \
    X(163, acct, COUNTED, SAME, REFUSED, PATH, "") \
    X(164, settimeofday, COUNTED, SAME, REFUSED, SHORT, "") \
    X(165, mount, COUNTED, SAME, REFUSED, PATH, "") \
    X(166, umount2, COUNTED, SAME, REFUSED, PATH, "") \
    X(167, swapon, MODELLED, SAME, REFUSED, PATH, "") \
    X(168, swapoff, MODELLED, SAME, REFUSED, PATH, "") \
    X(169, reboot, COUNTED, SAME, REFUSED, SHORT, "") \
    X(170, sethostname, COUNTED, SAME, REFUSED, SHORT, "") \
    X(171, setdomainname, COUNTED, SAME, REFUSED, SHORT, "") \
    X(172, iopl, COUNTED, UNKNOWN, REFUSED, SHORT, "") \
    X(173, ioperm, COUNTED, UNKNOWN, REFUSED, SHORT, "") \
    X(174, create_module, NONE, SAME, NEVER, SHORT, "Linux has none, either") \
    X(175, init_module, COUNTED, SAME, REFUSED, SHORT, "") \
    X(176, delete_module, COUNTED, SAME, REFUSED, SHORT, "") \
    X(177, get_kernel_syms, NONE, SAME, NEVER, SHORT, "Linux has none, either") \
    X(178, query_module, NONE, SAME, NEVER, SHORT, "Linux has none, either") \
    X(179, quotactl, COUNTED, SAME, REFUSED, PATH, "") \
    X(180, nfsservctl, NONE, SAME, NEVER, SHORT, "Linux has none, either") \
    X(181, getpmsg, NONE, SAME, NEVER, SHORT, "Linux has none, either") \
    X(182, putpmsg, NONE, SAME, NEVER, SHORT, "Linux has none, either") \
    X(183, afs_syscall, NONE, SAME, NEVER, SHORT, "Linux has none, either") \
    X(184, tuxcall, NONE, SAME, NEVER, SHORT, "Linux has none, either") \
    X(185, security, NONE, SAME, NEVER, SHORT, "Linux has none, either") \
    X(186, gettid, COUNTED, SAME, REFUSED, SHORT, "") \
    X(187, readahead, COUNTED, SAME, REFUSED, SHORT, "") \
    X(188, setxattr, COUNTED, SAME, REFUSED, PATH, "") \
    X(189, lsetxattr, COUNTED, SAME, REFUSED, PATH, "") \
    X(190, fsetxattr, COUNTED, SAME, REFUSED, SHORT, "") \
    X(191, getxattr, COUNTED, SAME, REFUSED, PATH, "") \
    X(192, lgetxattr, COUNTED, SAME, REFUSED, PATH, "") \
    X(193, fgetxattr, COUNTED, SAME, REFUSED, SHORT, "") \
    X(194, listxattr, COUNTED, SAME, REFUSED, PATH, "") \
    X(195, llistxattr, COUNTED, SAME, REFUSED, PATH, "") \
    X(196, flistxattr, COUNTED, SAME, REFUSED, SHORT, "") \
    X(197, removexattr, COUNTED, SAME, REFUSED, PATH, "") \
    X(198, lremovexattr, COUNTED, SAME, REFUSED, PATH, "") \
    X(199, fremovexattr, COUNTED, SAME, REFUSED, SHORT, "") \
    X(200, tkill, MODELLED, SAME, REFUSED, WAIT, "") \
    X(201, time, MODELLED, SAME, REFUSED, SHORT, "") \
    X(202, futex, COUNTED, SAME, REFUSED, WAIT, "") \
    X(203, sched_setaffinity, COUNTED, SAME, REFUSED, SHORT, "") \
    X(204, sched_getaffinity, COUNTED, SAME, REFUSED, SHORT, "") \
    X(205, set_thread_area, NONE, SAME, NEVER, SHORT, "Linux has none, either") \
    X(206, io_setup, COUNTED, UNKNOWN, REFUSED, SHORT, "") \
    X(207, io_destroy, COUNTED, SAME, REFUSED, SHORT, "") \
    X(208, io_getevents, COUNTED, UNKNOWN, REFUSED, WAIT, "") \
    X(209, io_submit, COUNTED, UNKNOWN, REFUSED, WAIT, "what it reads and writes is not in the trace") \
    X(210, io_cancel, COUNTED, SAME, REFUSED, SHORT, "") \
    X(211, get_thread_area, NONE, SAME, NEVER, SHORT, "Linux has none, either") \
    X(212, lookup_dcookie, NONE, SAME, NEVER, SHORT, "Linux has none, either") \
    X(213, epoll_create, COUNTED, SAME, REFUSED, OBJECT, "") \
    X(214, epoll_ctl_old, NONE, SAME, NEVER, SHORT, "Linux has none, either") \
    X(215, epoll_wait_old, NONE, SAME, NEVER, SHORT, "Linux has none, either") \
    X(216, remap_file_pages, COUNTED, UNKNOWN, REFUSED, SHORT, "not in the trace") \
    X(217, getdents64, COUNTED, SAME, REFUSED, ENTRIES, "") \
    X(218, set_tid_address, COUNTED, SAME, NEVER, SHORT, "") \
    X(219, restart_syscall, COUNTED, SAME, NEVER, SHORT, "") \
    X(220, semtimedop, COUNTED, SAME, REFUSED, WAIT, "") \
    X(221, fadvise64, MODELLED, SAME, REFUSED, SHORT, "") \
    X(222, timer_create, COUNTED, SAME, REFUSED, SHORT, "") \
    X(223, timer_settime, COUNTED, SAME, REFUSED, WAIT, "") \
    X(224, timer_gettime, COUNTED, SAME, REFUSED, SHORT, "") \
    X(225, timer_getoverrun, COUNTED, SAME, REFUSED, SHORT, "") \
    X(226, timer_delete, COUNTED, SAME, REFUSED, SHORT, "") \
    X(227, clock_settime, COUNTED, SAME, REFUSED, SHORT, "") \
    X(228, clock_gettime, MODELLED, SAME, REFUSED, SHORT, "") \
    X(229, clock_getres, COUNTED, SAME, REFUSED, SHORT, "") \
    X(230, clock_nanosleep, COUNTED, SAME, REFUSED, WAIT, "") \
    X(231, exit_group, MODELLED, SAME, NEVER, SHORT, "") \
    X(232, epoll_wait, COUNTED, SAME, REFUSED, WAIT, "") \
    X(233, epoll_ctl, COUNTED, SAME, REFUSED, WAIT, "") \
    X(234, tgkill, MODELLED, SAME, REFUSED, WAIT, "") \
    X(235, utimes, COUNTED, SAME, REFUSED, PATH, "") \
    X(236, vserver, NONE, SAME, NEVER, SHORT, "Linux has none, either") \
    X(237, mbind, MODELLED, SAME, REFUSED, SHORT, "") \
    X(238, set_mempolicy, MODELLED, SAME, REFUSED, SHORT, "") \
    X(239, get_mempolicy, COUNTED, SAME, REFUSED, SHORT, "") \
    X(240, mq_open, COUNTED, SAME, REFUSED, MESSAGE, "") \
    X(241, mq_unlink, COUNTED, SAME, REFUSED, SHORT, "") \
    X(242, mq_timedsend, COUNTED, SAME, REFUSED, MESSAGE, "") \
    X(243, mq_timedreceive, COUNTED, SAME, REFUSED, MESSAGE, "") \
    X(244, mq_notify, COUNTED, SAME, REFUSED, SHORT, "") \
    X(245, mq_getsetattr, COUNTED, SAME, REFUSED, SHORT, "") \
    X(246, kexec_load, COUNTED, SAME, REFUSED, SHORT, "") \
    X(247, waitid, COUNTED, SAME, REFUSED, WAIT, "") \
    X(248, add_key, COUNTED, SAME, REFUSED, SHORT, "") \
    X(249, request_key, COUNTED, SAME, REFUSED, SHORT, "") \
    X(250, keyctl, COUNTED, SAME, REFUSED, SHORT, "") \
    X(251, ioprio_set, COUNTED, SAME, REFUSED, SHORT, "") \
    X(252, ioprio_get, COUNTED, SAME, REFUSED, SHORT, "") \
    X(253, inotify_init, COUNTED, SAME, REFUSED, OBJECT, "") \
    X(254, inotify_add_watch, COUNTED, SAME, REFUSED, PATH, "") \
    X(255, inotify_rm_watch, COUNTED, SAME, REFUSED, SHORT, "") \
    X(256, migrate_pages, MODELLED, SAME, REFUSED, SHORT, "") \
    X(257, openat, MODELLED, SAME, REFUSED, PATH, "") \
    X(258, mkdirat, COUNTED, SAME, REFUSED, NAME, "") \
    X(259, mknodat, COUNTED, SAME, REFUSED, NAME, "") \
    X(260, fchownat, COUNTED, SAME, REFUSED, PATH, "") \
    X(261, futimesat, COUNTED, SAME, REFUSED, PATH, "") \
    X(262, newfstatat, COUNTED, SAME, REFUSED, PATH, "") \
    X(263, unlinkat, MODELLED, SAME, REFUSED, NAME, "") \
    X(264, renameat, MODELLED, SAME, REFUSED, NAME, "") \
    X(265, linkat, COUNTED, SAME, REFUSED, NAME, "") \
    X(266, symlinkat, COUNTED, SAME, REFUSED, NAME, "") \
    X(267, readlinkat, COUNTED, SAME, REFUSED, PATH, "") \
    X(268, fchmodat, COUNTED, SAME, REFUSED, PATH, "") \
    X(269, faccessat, COUNTED, SAME, REFUSED, PATH, "") \
    X(270, pselect6, COUNTED, SAME, REFUSED, WAIT, "") \
    X(271, ppoll, COUNTED, SAME, REFUSED, WAIT, "") \
    X(272, unshare, COUNTED, SAME, REFUSED, SHORT, "") \
    X(273, set_robust_list, REFUSED, SAME, NEVER, SHORT, "refused with ENOSYS: callers do without") \
    X(274, get_robust_list, REFUSED, SAME, NEVER, SHORT, "refused with ENOSYS") \
    X(275, splice, MODELLED, SAME, REFUSED, MESSAGE, "") \
    X(276, tee, COUNTED, UNKNOWN, REFUSED, MESSAGE, "") \
    X(277, sync_file_range, MODELLED, SAME, REFUSED, SHORT, "") \
    X(278, vmsplice, COUNTED, SAME, REFUSED, MESSAGE, "") \
    X(279, move_pages, MODELLED, SAME, REFUSED, SHORT, "") \
    X(280, utimensat, COUNTED, SAME, REFUSED, PATH, "") \
    X(281, epoll_pwait, COUNTED, SAME, REFUSED, WAIT, "") \
    X(282, signalfd, COUNTED, SAME, REFUSED, OBJECT, "") \
    X(283, timerfd_create, COUNTED, SAME, REFUSED, OBJECT, "") \
    X(284, eventfd, COUNTED, SAME, REFUSED, OBJECT, "") \
    X(285, fallocate, MODELLED, SAME, REFUSED, SHORT, "") \
    X(286, timerfd_settime, COUNTED, SAME, REFUSED, WAIT, "") \
    X(287, timerfd_gettime, COUNTED, SAME, REFUSED, SHORT, "") \
    X(288, accept4, COUNTED, SAME, REFUSED, OBJECT, "") \
    X(289, signalfd4, COUNTED, SAME, REFUSED, OBJECT, "") \
    X(290, eventfd2, COUNTED, SAME, REFUSED, OBJECT, "") \
    X(291, epoll_create1, COUNTED, SAME, REFUSED, OBJECT, "") \
    X(292, dup3, COUNTED, SAME, REFUSED, SHORT, "") \
    X(293, pipe2, COUNTED, SAME, REFUSED, OBJECT, "") \
    X(294, inotify_init1, COUNTED, SAME, REFUSED, OBJECT, "") \
    X(295, preadv, MODELLED, SAME, REFUSED, SHORT, "") \
    X(296, pwritev, MODELLED, SAME, REFUSED, SHORT, "") \
    X(297, rt_tgsigqueueinfo, COUNTED, SAME, REFUSED, WAIT, "") \
    X(298, perf_event_open, REFUSED, DIFFERS, NEVER, SHORT, "refused with ENOSYS: it would count the emulator") \
    X(299, recvmmsg, COUNTED, UNKNOWN, REFUSED, SOCKET, "what it reads is not in the trace") \
    X(300, fanotify_init, COUNTED, SAME, REFUSED, SHORT, "") \
    X(301, fanotify_mark, COUNTED, SAME, REFUSED, SHORT, "") \
    X(302, prlimit64, MODELLED, SAME, REFUSED, SHORT, "limits of memory are kept for the program, not for the emulator") \
    X(303, name_to_handle_at, COUNTED, SAME, REFUSED, PATH, "") \
    X(304, open_by_handle_at, COUNTED, SAME, REFUSED, PATH, "") \
    X(305, clock_adjtime, COUNTED, SAME, REFUSED, SHORT, "") \
    X(306, syncfs, COUNTED, SAME, REFUSED, SHORT, "") \
    X(307, sendmmsg, COUNTED, SAME, REFUSED, SOCKET, "") \
    X(308, setns, COUNTED, SAME, REFUSED, SHORT, "") \
    X(309, getcpu, MODELLED, SAME, REFUSED, SHORT, "") \
    X(310, process_vm_readv, COUNTED, SAME, REFUSED, MESSAGE, "") \
    X(311, process_vm_writev, COUNTED, UNKNOWN, REFUSED, MESSAGE, "what another process gets is not in the trace") \
    X(312, kcmp, COUNTED, SAME, REFUSED, SHORT, "") \
    X(313, finit_module, COUNTED, SAME, REFUSED, SHORT, "") \
    X(314, sched_setattr, COUNTED, SAME, REFUSED, SHORT, "") \
    X(315, sched_getattr, COUNTED, SAME, REFUSED, SHORT, "") \
    X(316, renameat2, MODELLED, SAME, REFUSED, NAME, "") \
    X(317, seccomp, COUNTED, SAME, NEVER, SHORT, "a filter is taken and does not hold, as it would end the emulator: told") \
    X(318, getrandom, COUNTED, SAME, REFUSED, SHORT, "") \
    X(319, memfd_create, MODELLED, SAME, REFUSED, OBJECT, "") \
    X(320, kexec_file_load, COUNTED, SAME, REFUSED, SHORT, "") \
    X(321, bpf, COUNTED, SAME, REFUSED, SHORT, "") \
    X(322, execveat, MODELLED, SAME, NEVER, PATH, "") \
    X(323, userfaultfd, REFUSED, DIFFERS, NEVER, SHORT, "refused with ENOSYS") \
    X(324, membarrier, COUNTED, SAME, REFUSED, WAIT, "") \
    X(325, mlock2, MODELLED, SAME, REFUSED, SHORT, "") \
    X(326, copy_file_range, MODELLED, SAME, REFUSED, SHORT, "") \
    X(327, preadv2, MODELLED, SAME, REFUSED, SHORT, "") \
    X(328, pwritev2, MODELLED, SAME, REFUSED, SHORT, "") \
    X(329, pkey_mprotect, MODELLED, SAME, REFUSED, SHORT, "") \
    X(330, pkey_alloc, COUNTED, SAME, REFUSED, SHORT, "the emulated CPU has no keys: ENOSPC") \
    X(331, pkey_free, COUNTED, SAME, REFUSED, SHORT, "") \
    X(332, statx, COUNTED, SAME, REFUSED, PATH, "") \
    X(333, io_pgetevents, COUNTED, UNKNOWN, REFUSED, WAIT, "") \
    X(334, rseq, MODELLED, SAME, NEVER, SHORT, "refused with ENOSYS: callers do without; replays register it") \
    X(424, pidfd_send_signal, COUNTED, SAME, REFUSED, WAIT, "") \
    X(425, io_uring_setup, REFUSED, DIFFERS, NEVER, SHORT, "refused with ENOSYS, as where a container forbids it") \
    X(426, io_uring_enter, REFUSED, DIFFERS, NEVER, SHORT, "refused with ENOSYS") \
    X(427, io_uring_register, REFUSED, DIFFERS, NEVER, SHORT, "refused with ENOSYS") \
    X(428, open_tree, COUNTED, SAME, REFUSED, SHORT, "") \
    X(429, move_mount, COUNTED, SAME, REFUSED, SHORT, "") \
    X(430, fsopen, COUNTED, SAME, REFUSED, SHORT, "") \
    X(431, fsconfig, COUNTED, SAME, REFUSED, SHORT, "") \
    X(432, fsmount, COUNTED, SAME, REFUSED, SHORT, "") \
    X(433, fspick, COUNTED, SAME, REFUSED, SHORT, "") \
    X(434, pidfd_open, COUNTED, SAME, REFUSED, OBJECT, "") \
    X(435, clone3, REFUSED, SAME, NEVER, SHORT, "refused with ENOSYS: callers fall back to clone") \
    X(436, close_range, COUNTED, SAME, REFUSED, SHORT, "") \
    X(437, openat2, MODELLED, SAME, REFUSED, PATH, "") \
    X(438, pidfd_getfd, COUNTED, SAME, REFUSED, SHORT, "") \
    X(439, faccessat2, COUNTED, SAME, REFUSED, PATH, "") \
    X(440, process_madvise, MODELLED, SAME, REFUSED, SHORT, "") \
    X(441, epoll_pwait2, COUNTED, SAME, REFUSED, WAIT, "") \
    X(442, mount_setattr, COUNTED, SAME, REFUSED, SHORT, "") \
    X(443, quotactl_fd, COUNTED, SAME, REFUSED, SHORT, "") \
    X(444, landlock_create_ruleset, COUNTED, SAME, REFUSED, SHORT, "") \
    X(445, landlock_add_rule, COUNTED, SAME, REFUSED, SHORT, "") \
    X(446, landlock_restrict_self, COUNTED, UNKNOWN, REFUSED, SHORT, "programs executed behind it may not be recorded") \
    X(447, memfd_secret, COUNTED, UNKNOWN, REFUSED, SHORT, "") \
    X(448, process_mrelease, COUNTED, SAME, REFUSED, SHORT, "") \
    X(449, futex_waitv, COUNTED, SAME, REFUSED, WAIT, "") \
    X(450, set_mempolicy_home_node, COUNTED, SAME, REFUSED, SHORT, "") \
    X(451, cachestat, COUNTED, SAME, REFUSED, SHORT, "") \
    X(452, fchmodat2, COUNTED, SAME, REFUSED, PATH, "") \
    X(453, map_shadow_stack, REFUSED, DIFFERS, NEVER, SHORT, "refused with ENOSYS") \
    X(454, futex_wake, COUNTED, SAME, REFUSED, WAIT, "") \
    X(455, futex_wait, COUNTED, SAME, REFUSED, WAIT, "") \
    X(456, futex_requeue, COUNTED, SAME, REFUSED, WAIT, "") \
    X(457, statmount, COUNTED, SAME, REFUSED, SHORT, "") \
    X(458, listmount, COUNTED, SAME, REFUSED, SHORT, "") \
    X(459, lsm_get_self_attr, COUNTED, SAME, REFUSED, SHORT, "") \
    X(460, lsm_set_self_attr, COUNTED, UNKNOWN, REFUSED, SHORT, "") \
    X(461, lsm_list_modules, COUNTED, SAME, REFUSED, SHORT, "") \
    X(462, mseal, COUNTED, UNKNOWN, REFUSED, SHORT, "the emulator does not know of it") \
    X(463, setxattrat, COUNTED, SAME, REFUSED, SHORT, "") \
    X(464, getxattrat, COUNTED, SAME, REFUSED, SHORT, "") \
    X(465, listxattrat, COUNTED, SAME, REFUSED, SHORT, "") \
    X(466, removexattrat, COUNTED, SAME, REFUSED, SHORT, "") \
    X(467, open_tree_attr, COUNTED, SAME, REFUSED, SHORT, "") \
    X(468, file_getattr, COUNTED, SAME, REFUSED, SHORT, "") \
    X(469, file_setattr, COUNTED, SAME, REFUSED, SHORT, "")
/* clang-format on */

#endif
