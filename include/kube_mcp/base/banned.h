/* Turns functions that have no safe use into compile errors. Included by every .c file of ours, last. */
#ifndef KM_BASE_BANNED_H
#define KM_BASE_BANNED_H

#define KM_BANNED(name) sorry_##name##_is_banned
#undef strcpy
#define strcpy(...) KM_BANNED(strcpy)
#undef strcat
#define strcat(...) KM_BANNED(strcat)
#undef strncpy
#define strncpy(...) KM_BANNED(strncpy)
#undef strncat
#define strncat(...) KM_BANNED(strncat)
#undef sprintf
#define sprintf(...) KM_BANNED(sprintf)
#undef vsprintf
#define vsprintf(...) KM_BANNED(vsprintf)
#undef strtok
#define strtok(...) KM_BANNED(strtok)
#undef gets
#define gets(...) KM_BANNED(gets)
#undef atoi
#define atoi(...) KM_BANNED(atoi)
#undef atol
#define atol(...) KM_BANNED(atol)
#undef system
#define system(...) KM_BANNED(system)
#undef popen
#define popen(...) KM_BANNED(popen)
#undef gmtime
#define gmtime(...) KM_BANNED(gmtime)
#undef localtime
#define localtime(...) KM_BANNED(localtime)
#undef ctime
#define ctime(...) KM_BANNED(ctime)
#undef asctime
#define asctime(...) KM_BANNED(asctime)
#undef tmpnam
#define tmpnam(...) KM_BANNED(tmpnam)
#undef mktemp
#define mktemp(...) KM_BANNED(mktemp)
#undef rand
#define rand(...) KM_BANNED(rand)
#undef srand
#define srand(...) KM_BANNED(srand)

#endif
