"""What texts mean: each row is an answer and the tree it stands for, written by `outline`."""

import re

import pytest
from outline import outline

from verifiers.expressions.parser import parse

NUMBERS = [
    ("42", "42"),
    ("+7", "7"),
    ("-3", "-3"),
    ("\u22123", "-3"),
    (".5", "1/2d"),
    ("5.", "5"),
    ("2.50", "5/2d"),
    ("1,234,567", "1234567"),
    ("1{,}234", "1234"),
    (r"1\,234.5", "2469/2d"),
    (r"12,\!000,\!023", "12000023"),
    (r"11,\! 111,\! 111,\! 100", "11111111100"),
    (r"1 \, 000", "1000"),
    ("0{,}5", "1/2d"),
    (r"0.\overline{3}", "1/3"),
    (r"0.1\bar{6}", "1/6"),
    (r"12.3\overline{45}", "679/55"),
    ("0.333...", "1/3"),
    ("0.142857142857...", "1/7"),
    ("1.6e-19", "1/6250000000000000000d"),
    ("1.5E+3", "1500d"),
    (r"3 \times 10^{8}", "(* 3 (^ 10 8))"),
    ("2.5 million", "2500000d"),
    ("1.2 x 10^5", "(* 6/5d (^ 10 5))"),
    (r"1\frac{4}{5}", "(+ 1 (/ 4 5))"),
    (r"-1\frac45", "(- (+ 1 (/ 4 5)))"),
    ("7 3/4", "(+ 7 (/ 3 4))"),
    ("7\xbe", "(+ 7 (/ 3 4))"),
    (r"137 \frac{1}{2}", "(+ 137 (/ 1 2))"),
    (r"3\frac72", "(* 3 (/ 7 2))"),
    ("1011_2", "(Digits 1011 2)"),
    ("4210_{5}", "(Digits 4210 5)"),
    ("1A3_{16}", "(Digits 1A3 16)"),
    ("(1011)_2", "(Digits 1011 2)"),
    (r"1011_{\text{two}}", "(Digits 1011 2)"),
    ("11_{(2)}", "(Digits 11 2)"),
    ("AB", "(* A B)"),
    ("１２", "12"),
    ("３．５", "7/2d"),
]
LISTS_OF_NUMBERS = [
    ("(1,234)", "(1, 234)"),
    ("(1{,}234, 5)", "(1234, 5)"),
    ("3,4,100", "list(3, 4, 100)"),
    ("1,2345", "list(1, 2345)"),
    ("12,34,567", "list(12, 34, 567)"),
    ("1,200,30", "list(1, 200, 30)"),
    (r"\{1,234\}", "{1, 234}"),
]
FRACTIONS_AND_ROOTS = [
    (r"\frac{1}{2}", "(/ 1 2)"),
    (r"\frac12", "(/ 1 2)"),
    (r"\frac 59", "(/ 5 9)"),
    (r"\frac3{4}", "(/ 3 4)"),
    (r"\frac{1}2", "(/ 1 2)"),
    (r"\dfrac{\sqrt3}2", "(/ (Root 3 2) 2)"),
    (r"\tfrac\pi2", "(/ PI 2)"),
    (r"\frac x2", "(/ x 2)"),
    (r"\frac xy", "(/ x y)"),
    ("1/2", "(/ 1 2)"),
    ("-18/5", "(- (/ 18 5))"),
    ("a/b/c", "(/ a (* b c))"),
    (r"\frac{a}{b}/c", "(/ (/ a b) c)"),
    ("1/xy", "(/ 1 (* x y))"),
    ("1/2x", "(/ (* 1 x) 2)"),
    ("3/4 x + 1", "(+ (/ (* 3 x) 4) 1)"),
    (r"1/2\pi", "(/ (* 1 PI) 2)"),
    (r"\sqrt3", "(Root 3 2)"),
    (r"\sqrt{13}", "(Root 13 2)"),
    (r"11\sqrt2", "(* 11 (Root 2 2))"),
    (r"\sqrt[3]{x}", "(Root x 3)"),
    (r"\sqrt [4] {2}", "(Root 2 4)"),
    ("sqrt(3)", "(Root 3 2)"),
    ("(3*sqrt(5))/7", "(/ (* 3 (Root 5 2)) 7)"),
    ("\u221a3", "(Root 3 2)"),
    ("2\u221a3", "(* 2 (Root 3 2))"),
    (r"4\sqrt(2)", "(* 4 (Root 2 2))"),
    (r"\sqrt{\sqrt{11}+2}", "(Root (+ (Root 11 2) 2) 2)"),
    (r"\frac{1}{3\sqrt[3]{x}^2}", "(/ 1 (* 3 (^ (Root x 3) 2)))"),
    (r"{n \choose k}", "(binom n k)"),
    (r"\binom{n}{2}", "(binom n 2)"),
    (r"\tbinom n2", "(binom n 2)"),
    ("１／２", "(/ 1 2)"),
    (r"\frac{7!}{2!2!}", "(/ (factorial 7) (* (factorial 2) (factorial 2)))"),
    ("7!/(2!2!)", "(/ (factorial 7) (* (factorial 2) (factorial 2)))"),
]
POWERS_AND_PRODUCTS = [
    ("x^2", "(^ x 2)"),
    ("x**2", "(^ x 2)"),
    ("x\xb2", "(^ x 2)"),
    ("x^{2/3}", "(^ x (/ 2 3))"),
    ("x^12", "(^ x 12)"),
    ("2^2^3", "(^ 2 (^ 2 3))"),
    ("10^-6", "(^ 10 -6)"),
    ("x^-y", "(^ x (- y))"),
    ("e^{-x^2}", "(^ E (- (^ x 2)))"),
    ("-2^2", "(- (^ 2 2))"),
    ("2x", "(* 2 x)"),
    ("2\u03c0", "(* 2 PI)"),
    (r"2\pi r", "(* 2 PI r)"),
    (r"2\cdot3", "(* 2 3)"),
    (r"3\times4", "(* 3 4)"),
    ("xy", "(* x y)"),
    ("ab^2c", "(* a (^ b 2) c)"),
    ("(a+5)(b+2)", "(* (+ a 5) (+ b 2))"),
    ("x(x+1)", "(* x (+ x 1))"),
    ("(1+2i)6-3i", "(+ (* (+ 1 (* 2 I)) 6) (- (* 3 I)))"),
    ("2^{3}3^{2}", "(* (^ 2 3) (^ 3 2))"),
    ("2 x", "(* 2 x)"),
    ("abc", "(* a b c)"),
    ("zyx", "(* z y x)"),
    ("mgh", "(* m g h)"),
    (
        r"2\operatorname{cis} 60^\circ",
        "(* 2 (+ (cos (Quantity 60 degree)) (* I (sin (Quantity 60 degree)))))",
    ),
    ("abcd + 1", "(+ (* a b c d) 1)"),
    ("n!", "(factorial n)"),
    ("(2n)!!", "(doublefactorial (* 2 n))"),
    ("5!/3!", "(/ (factorial 5) (factorial 3))"),
    ("3!2!", "(* (factorial 3) (factorial 2))"),
    (r"\binom52 3!", "(* (binom 5 2) (factorial 3))"),
    ("n!2^n", "(* (factorial n) (^ 2 n))"),
    ("(-1)^n2^n", "(* (^ -1 n) (^ 2 n))"),
    ("1/2 x", "(/ (* 1 x) 2)"),
    (r"2\hspace*{2cm}x", "(* 2 x)"),
    ("2 - -3", "(+ 2 3)"),
    ("a - b + c", "(+ a (- b) c)"),
    (r"1 \pm \sqrt{19}", "(+ 1 (pm (Root 19 2)))"),
    (r"\mp 3", "(pm 3 True)"),
    (r"x = \frac{-b \pm d}{2a}", "(x = (/ (+ (- b) (pm d)) (* 2 a)))"),
    ("6 - 5i", "(+ 6 (- (* 5 I)))"),
    (r"\frac{3+i\sqrt{3}}{2}", "(/ (+ 3 (* I (Root 3 2))) 2)"),
]
NAMES = [
    ("x_1", "x_1"),
    ("x_{12}", "x_12"),
    ("a_{n+1}", "a_n+1"),
    ("x1 + x2", "(+ x_1 x_2)"),
    (r"v_{\text{max}}", "v_max"),
    ("y''", "y''"),
    ("f'(x)", "(f' x)"),
    (r"\alpha\beta", "(* alpha beta)"),
    (r"\varphi", "phi"),
    ("\u03b8", "theta"),
    (r"\text{e}", "E"),
    (r"\mathrm{e}", "E"),
    ("e", "E"),
    ("i", "I"),
    (r"\mathbf{i}", "i"),
    (r"\vec{v}", "v"),
    (r"\overline{AB}", "(* A B)"),
    (r"\overrightarrow{AB}", "AB"),
    (r"\overline{A}", "overline~A"),
    (r"\bar{x}", "overline~x"),
    (r"C_1^2", "(^ C_1 2)"),
    ("ABC", "ABC"),
    ("RPQ", "RPQ"),
    (r"C_2^2", "(^ C_2 2)"),
    (r"P_n^k", "(^ P_n k)"),
    (r"\hat{x}", "x"),
    (r"\angle ABC", "angle~ABC"),
    (r"m\angle A", "angle~A"),
    (r"\triangle ABC", "triangle~ABC"),
    (r"\bar{z}", "(conj z)"),
    (r"\infty", "OO"),
    (r"-\infty", "(- OO)"),
    (r"\mathbb{R}", "Reals"),
    (r"\mathbb Z^+", "PositiveIntegers"),
    (r"\mathbb{R}_{\ge 0}", "NonnegativeReals"),
    (r"\mathbb{R}^3", "(^ Reals 3)"),
    (r"\mathbb{N}^*", "PositiveIntegers"),
    (r"\mathbb{N}_0", "NonnegativeIntegers"),
    (r"\emptyset", "{}"),
    (r"\boxed{5}", "5"),
    (r"\text{(A)}", "A"),
    ("(A)", "A"),
    ("A.", "A"),
    (r"\textbf{(B)}\ 12", "(B = 12)"),
]
FUNCTIONS = [
    (r"\sin x", "(sin x)"),
    ("sin(x)", "(sin x)"),
    ("sinx", "(sin x)"),
    (r"\sin^2 x", "(^ (sin x) 2)"),
    (r"\sin^{-1} x", "(arcsin x)"),
    (r"\cot^{-1}(x)", "(arccot x)"),
    (r"\sinh^{-1} x", "(arcsinh x)"),
    (r"\cosh^{-1}(2)", "(arccosh 2)"),
    (r"\tanh^{-1} x", "(arctanh x)"),
    (r"\operatorname{arsinh} x", "(arcsinh x)"),
    (r"\sinh^{-2} x", "(^ (sinh x) -2)"),
    (r"\sin(x)^2", "(^ (sin x) 2)"),
    (r"\sin x^2", "(sin (^ x 2))"),
    (r"2\sin x\cos x", "(* 2 (sin x) (cos x))"),
    (r"\sin x\,e^x", "(* (sin x) (^ E x))"),
    (r"\sin 2\,e^x", "(sin (* 2 (^ E x)))"),
    (r"\sin xy", "(sin (* x y))"),
    (r"\sin 30^\circ", "(sin (Quantity 30 degree))"),
    (r"\sin \pi/3", "(sin (/ PI 3))"),
    ("sin 30 degrees", "(sin (Quantity 30 degree))"),
    ("arctanh(x) + atan(x)", "(+ (arctanh x) (arctan x))"),
    (r"\sin 2x + 1", "(+ (sin (* 2 x)) 1)"),
    (r"\cos x (1 + y)", "(* (cos x) (+ 1 y))"),
    (r"\arctan\frac12", "(arctan (/ 1 2))"),
    (r"\log x", "(log x)"),
    (r"\log_2 8", "(log 8 2)"),
    (r"\log_{10} x", "(log x 10)"),
    (r"\log_264", "(log 64 2)"),
    ("log_10 5", "(log 5 10)"),
    ("log2(8)", "(log 8 2)"),
    ("log10(x)", "(log x 10)"),
    (r"\log2(8)", "(log (* 2 8))"),
    (r"\lg 5", "(log 5 10)"),
    (r"\ln|x|+C", "(+ (ln (abs x)) C)"),
    (r"\ln 2x", "(ln (* 2 x))"),
    ("exp(2)", "(exp 2)"),
    (r"\operatorname{cis}\theta", "(+ (cos theta) (* I (sin theta)))"),
    (r"\max\{a,b\}", "(max a b)"),
    (r"\gcd(12, 18)", "(gcd 12 18)"),
    (r"\operatorname{lcm}(4,6)", "(lcm 4 6)"),
    ("|x|", "(abs x)"),
    (r"\left|x-1\right|", "(abs (+ x -1))"),
    ("||x|-1|", "(abs (+ (abs x) -1))"),
    ("|x|+|y|", "(+ (abs x) (abs y))"),
    (r"\lvert -3\rvert", "(abs -3)"),
    (r"\lfloor x \rfloor", "(floor x)"),
    (r"\left\lceil \frac{n}{2}\right\rceil", "(ceil (/ n 2))"),
    (r"\|v\|", "(norm v)"),
    ("C(5,2)", "(binom 5 2)"),
    ("{}_{10}C_3", "(binom 10 3)"),
    ("{}^{6}C_2", "(binom 6 2)"),
    ("{}^nC_r", "(binom n r)"),
    ("_{10}C_3", "(binom 10 3)"),
    ("{}_6P_6", "(/ (factorial 6) (factorial 0))"),
    ("{}_nP_k", "(/ (factorial n) (factorial (+ n (- k))))"),
    ("C_6^2", "(binom 6 2)"),
    ("C_{10}^{3}", "(binom 10 3)"),
    ("C_n^k", "(binom n k)"),
    ("P_6^2", "(/ (factorial 6) (factorial 4))"),
    ("f(x) = x^2", "((f x) = (^ x 2))"),
    ("f^{-1}(x) = 2", "((f^-1 x) = 2)"),
    ("P(x) = (x-1)Q(x)", "((P x) = (* (+ x -1) (Q x)))"),
    ("W(n) = 1", "((W n) = 1)"),
    ("a(b+c)", "(* a (+ b c))"),
    ("h(a+b)", "(* h (+ a b))"),
    ("A(2,3)", "(A 2 3)"),
    (r"17 \bmod 5", "(mod 17 5)"),
    ("7 mod 3", "(mod 7 3)"),
]
BIG_OPERATORS = [
    (r"\sum_{i=1}^{n} i^2", "(sum (^ i 2) i 1 n)"),
    (r"\sum_{k=1}^n k + 1", "(+ (sum k k 1 n) 1)"),
    (r"\prod_{k=1}^n (1+k)", "(prod (+ 1 k) k 1 n)"),
    (r"\int_0^1 x^2 dx", "(int (^ x 2) x 0 1)"),
    (r"\int_0^\pi \sin x\,dx + 3", "(+ (int (sin x) x 0 PI) 3)"),
    (r"\int \frac{dx}{x}", "(int (/ 1 x) x None None)"),
    (r"\int dx", "(int 1 x None None)"),
    (r"\lim_{x\to 0} \frac{\sin x}{x}", "(lim (/ (sin x) x) x 0 None)"),
    (r"\lim_{x\to 0^+} x", "(lim x x 0 +)"),
    (r"\frac{d}{dx} x^2", "(diff (^ x 2) x None None)"),
    (r"\frac{dy}{dx} = 3x", "((diff y x None None) = (* 3 x))"),
]
BRACKETS = [
    ("(-2,1)", "(-2, 1)"),
    (r"\left( 3, \frac{\pi}{2} \right)", "(3, (/ PI 2))"),
    ("(3,4]", "(3, 4]"),
    (r"[0,\infty)", "[0, OO)"),
    ("]0,1[", "(0, 1)"),
    ("[0,1[", "[0, 1)"),
    ("[0;1]", "[0, 1]"),
    ("[1,2]", "[1, 2]"),
    ("[0]", "[0]"),
    ("2[x+1]", "(* 2 (+ x 1))"),
    ("(0,)", "(0)"),
    ("()", "()"),
    (r"\langle 1,2\rangle", "<1, 2>"),
    (r"\{1,2\}", "{1, 2}"),
    ("{1,2,3}", "{1, 2, 3}"),
    (r"\{\}", "{}"),
    (r"\{1\pm\sqrt{5},-2\}", "{(+ 1 (pm (Root 5 2))), -2}"),
    (r"\{x \mid x>0\}", "(SetBuilder x (x > 0))"),
    (r"\{x : x > 0\}", "(SetBuilder x (x > 0))"),
    ("{x | |x| < 3}", "(SetBuilder x ((abs x) < 3))"),
    (r"\{n\in\mathbb{Z}: n>0\}", "(SetBuilder (n in Integers) (n > 0))"),
    (r"\{x\in\mathbb{R}: x>4\}", "(SetBuilder x (x > 4))"),
    (r"(0,9) \cup (9,36)", "(union (0, 9) (9, 36))"),
    ("(0,1) U (2,3)", "(union (0, 1) (2, 3))"),
    (r"A \cap B", "(intersection A B)"),
    ("ℝ \\ {0}", "(difference Reals {0})"),
    ("R - {0}", "(difference R {0})"),
    ("x - {0}", "(+ x 0)"),
    (r"A \cup {1}", "(union A {1})"),
    (r"x \in {1}", "(x in {1})"),
    (r"\left<1,2\right>", "<1, 2>"),
    (r"\mathbb{R} \setminus \{0\}", "(difference Reals {0})"),
    (r"\mathbb{R} - \{0\}", "(difference Reals {0})"),
]
MATRICES = [
    (r"\begin{pmatrix} -1/3 \\ 2/3 \end{pmatrix}", "(Matrix [(- (/ 1 3))] [(/ 2 3)])"),
    (r"\begin{bmatrix} 1 & 2 \\ 3 & 4 \\ \end{bmatrix}", "(Matrix [1 2] [3 4])"),
    (r"\left[\begin{array}{c|c} 1 & 2 \\ 3 & 4 \end{array}\right]", "(Matrix [1 2] [3 4])"),
    (r"\begin{vmatrix} 1 & 2 \\ 3 & 4 \end{vmatrix}", "(det (Matrix [1 2] [3 4]))"),
    (
        r"2\begin{pmatrix}1\\2\end{pmatrix}+\begin{pmatrix}5\\6\end{pmatrix}",
        "(+ (* 2 (Matrix [1] [2])) (Matrix [5] [6]))",
    ),
    (
        r"\begin{pmatrix}1&2\\3&4\end{pmatrix}\begin{pmatrix}5\\6\end{pmatrix}",
        "(* (Matrix [1 2] [3 4]) (Matrix [5] [6]))",
    ),
    (r"\begin{pmatrix}1\\2\end{pmatrix}^T", "(transpose (Matrix [1] [2]))"),
    ("[1,2;3,4]", "(Matrix [1 2] [3 4])"),
    ("[[1,2],[3,4]]", "(Matrix [1 2] [3 4])"),
    ("[[1],[2]]", "(Matrix [1] [2])"),
    ("[[1,2],[3]]", "[[1, 2], [3]]"),
    ("[1,2],[3,4]", "list([1, 2], [3, 4])"),
    ("[(1,2),(3,4)]", "[(1, 2), (3, 4)]"),
    (
        r"\begin{cases} x^2 & \text{if } x > 0, \\ 0, & \text{otherwise} \end{cases}",
        "(piecewise (^ x 2) (x > 0) 0 'otherwise')",
    ),
    (r"\begin{cases} x=1 \\ y=2 \end{cases}", "list((x = 1), (y = 2))"),
    (r"\left\{\begin{array}{l} x=1\\ y=2\end{array}\right.", "list((x = 1), (y = 2))"),
    (r"\begin{aligned} x &= 1 \\ y &= 2 .\end{aligned}", "list((x = 1), (y = 2))"),
]
RELATIONS = [
    ("x=5", "(x = 5)"),
    ("ｘ＝５", "(x = 5)"),
    ("5 = x", "(5 = x)"),
    ("x := 5", "(x = 5)"),
    ("5x - 7y + 4 = 0", "((+ (* 5 x) (- (* 7 y)) 4) = 0)"),
    (r"-2 \le x \le 7", "(-2 <= x <= 7)"),
    ("x <= 1", "(x <= 1)"),
    (r"x \geqslant 1", "(x >= 1)"),
    (r"x \ne 1", "(x != 1)"),
    (r"x \neq 1", "(x != 1)"),
    (r"x \not= 1", "(x != 1)"),
    ("x != 1", "(x != 1)"),
    ("5!=120", "((factorial 5) = 120)"),
    (r"x \in [-2,7]", "(x in [-2, 7])"),
    ("x in [0,1]", "(x in [0, 1])"),
    (r"\boxed{W(n) = 1 \text{ and } W(n) = -1", "(and ((W n) = 1) ((W n) = -1))"),
    (r"x \notin \{1\}", "(x notin {1})"),
    (r"x \approx 3.14", "(x ~ 157/50d)"),
    ("x = 5+5+1 = 7 =11", "(x = (+ 5 5 1) = 7 = 11)"),
    (r"a \equiv 3 \pmod{7}", "(a equiv (mod 3 7))"),
    (r"x \equiv 2 (mod 5)", "(x equiv (mod 2 5))"),
    (r"9 \pmod{11}", "(mod 9 11)"),
    ("3:4", "(Ratio 3 4)"),
    (r"1:2:3:\ldots", "(Ratio 1 2 3 ...)"),
    ("12:00", "(Ratio 12 0 True)"),
    (r"3:05 \text{ p.m.}", "(Quantity (Ratio 3 5 True) pm)"),
    (r"\text{Area} = 5", "(area = 5)"),
    ("Area = 5 cm^2", "(area = (Quantity 5 centimeter^2))"),
    (r"1\leq|z|\leq 2", "(1 <= (abs z) <= 2)"),
    ("AB = 4", "((* A B) = 4)"),
    ("|AB|=1", "((abs (* A B)) = 1)"),
]
ALTERNATIVES = [
    ("x=1, y=2", "list((x = 1), (y = 2))"),
    ("x=1; y=2", "list((x = 1), (y = 2))"),
    ("x = 1\ny = 2", "list((x = 1), (y = 2))"),
    (r"x=1 \quad y=2", "list((x = 1), (y = 2))"),
    (r"x = 2 \quad (x > 0)", "list((x = 2), (x > 0))"),
    ("x = 1 or x = 2", "(or (x = 1) (x = 2))"),
    (r"x = 1 \text{ or } 2", "(or (x = 1) (x = 2))"),
    (r"x > 3 \text{ or } x < -3", "(or (x > 3) (x < -3))"),
    (r"x < -1 \cup x > 2", "(or (x < -1) (x > 2))"),
    (r"6 \text{ and } 8", "(and 6 8)"),
    (r"\text{(A) and (C)}", "(and A C)"),
    ("$1$ and $2$ and $3$", "(and 1 2 3)"),
    ("$21,16$ or $11$", "(or 21 16 11)"),
    ("1, 2, and 3", "(and 1 2 3)"),
    ("n=1, 2, 3", "list((n = 1), (n = 2), (n = 3))"),
    (r"x \ne 1, 2", "list((x != 1), (x != 2))"),
    (r"x=1,y=2 \text{ or } x=2,y=1", "(or list((x = 1), (y = 2)) list((x = 2), (y = 1)))"),
    ("(11,7)or(7,11)", "(or (11, 7) (7, 11))"),
    ("W(x)=1orW(x)=-1", "(or ((W x) = 1) ((W x) = -1))"),
    (r"1, 2, \ldots, n", "list(1, 2, ..., n)"),
    ("1,2,...,n", "list(1, 2, ..., n)"),
    ("-2,1", "list(-2, 1)"),
    (r"x = 2\pi k, k \in \mathbb{Z}", "list((x = (* 2 PI k)), (k in Integers))"),
    (r"x = 2\pi k \text{ where } k \in \mathbb{Z}", "list((x = (* 2 PI k)), (k in Integers))"),
    ("f(x)=2x, x>0", "list(((f x) = (* 2 x)), (x > 0))"),
    (r"1+2+\cdots+n", "(+ 1 2 ... n)"),
]
QUANTITIES = [
    ("28%", "(% 28)"),
    (r"28\%", "(% 28)"),
    ("28 pct", "(% 28)"),
    ("28 per cent", "(% 28)"),
    (r"33\frac13\%", "(% (+ 33 (/ 1 3)))"),
    (r"90^\circ", "(Quantity 90 degree)"),
    (r"-30^{\circ}", "(Quantity -30 degree)"),
    ("74\xb0", "(Quantity 74 degree)"),
    ("90 degrees", "(Quantity 90 degree)"),
    (r"20^\circ\text{C}", "(Quantity 20 celsius)"),
    ("98.6\xb0F", "(Quantity 493/5d fahrenheit)"),
    (r"30^\circ 15'", "(+ (Quantity 30 degree) (Quantity 15 arcminute))"),
    (r"\$18.90", "(Quantity 189/10d $)"),
    ("$5", "(Quantity 5 $)"),
    ("-$5", "(Quantity -5 $)"),
    ("$-5", "(Quantity -5 $)"),
    ("$1,000.99", "(Quantity 100099/100d $)"),
    ("1,000.99$", "(Quantity 100099/100d $)"),
    ("5\u20ac", "(Quantity 5 \u20ac)"),
    ("\xa35", "(Quantity 5 \xa3)"),
    (r"\$1.5 \text{ million}", "(Quantity 1500000d $)"),
    ("$5 per hour", "(Quantity 5 $/hour)"),
    ("5 dollars", "(Quantity 5 $)"),
    ("$5 each", "(Quantity 5 $)"),
    ("5 sq. ft.", "(Quantity 5 foot^2)"),
    ("3 times", "(Quantity 3 time)"),
    (r"5.4 \text{ cents}", "(Quantity 27/5d cent)"),
    ("5 cm", "(Quantity 5 centimeter)"),
    ("5cm", "(Quantity 5 centimeter)"),
    (r"5\text{ cm}", "(Quantity 5 centimeter)"),
    (r"5\,\mathrm{cm}^2", "(Quantity 5 centimeter^2)"),
    (r"5 {\rm cm}", "(Quantity 5 centimeter)"),
    (r"864 \mbox{ inches}^2", "(Quantity 864 inch^2)"),
    ("5 cm^3", "(Quantity 5 centimeter^3)"),
    ("5 square units", "(Quantity 5 unit^2)"),
    ("5 cubic feet", "(Quantity 5 foot^3)"),
    (r"12\pi \text{ cm}^2", "(Quantity (* 12 PI) centimeter^2)"),
    (r"18+2\pi \text{ cm}", "(Quantity (+ 18 (* 2 PI)) centimeter)"),
    (r"5\text{ m}", "(Quantity 5 meter)"),
    (r"9.8\,\mathrm{m/s^2}", "(Quantity 49/5d meter/second^2)"),
    (r"5\ \text{m}\,\text{s}^{-1}", "(Quantity 5 meter/second)"),
    ("9.8 m/s", "(Quantity 49/5d meter/second)"),
    ("60 km/h", "(Quantity 60 kilometer/hour)"),
    ("60 miles per hour", "(Quantity 60 mile/hour)"),
    ("60 mph", "(Quantity 60 mile/hour)"),
    ("20 apples", "(Quantity 20 apple)"),
    ("4 blue shoe boxes", "(Quantity 4 blue shoe box)"),
    (r"240\text{ ways.}", "(Quantity 240 way)"),
    ("3 years old", "(Quantity 3 year)"),
    ("5 min", "(Quantity 5 minute)"),
    ("5 sec", "(Quantity 5 second)"),
    ("10 pm", "(Quantity 10 pm)"),
    ("1st", "(Quantity 1 ordinal)"),
    (r"50^{\text{th}}", "(Quantity 50 ordinal)"),
    ("3 ft 4 in", "(+ (Quantity 3 foot) (Quantity 4 inch))"),
    ("3 hours and 20 minutes", "(+ (Quantity 3 hour) (Quantity 20 minute))"),
    (r"2\text{ h }30\text{ min}", "(+ (Quantity 2 hour) (Quantity 30 minute))"),
    ("7 1/2 hours", "(Quantity (+ 7 (/ 1 2)) hour)"),
    (r"\frac{270}7\text{ degrees}", "(Quantity (/ 270 7) degree)"),
    ("x = 5 cm", "(x = (Quantity 5 centimeter))"),
    ("about 5 hours", "(Quantity 5 hour)"),
]
LETTERS_THAT_ARE_NO_UNITS = [
    ("5 m", "(* 5 m)"),
    ("25 m^2", "(* 25 (^ m 2))"),
    ("2x", "(* 2 x)"),
    ("2e", "(* 2 E)"),
    ("2 e", "(* 2 E)"),
    ("3i", "(* 3 I)"),
    ("5 C", "(* 5 C)"),
    ("2xy", "(* 2 x y)"),
    ("2 ab", "(* 2 a b)"),
    (r"2\text{e}", "(* 2 E)"),
    (r"2\mathrm{i}", "(* 2 I)"),
    ("4s", "(* 4 s)"),
    ("5 a", "(* 5 a)"),
]
WORDS = [
    ("Evelyn", "'evelyn'"),
    (r"\text{Evelyn}", "'evelyn'"),
    (r"\text{Even}", "'even'"),
    ("east", "'east'"),
    ("No", "'no'"),
    ("no solution", "'no solution'"),
    (r"\text{no}\ \text{solution}", "'no solution'"),
    ("The midpoints form a regular hexagon", "'the midpoints form a regular hexagon'"),
    ("red, blue", "list('red', 'blue')"),
    ("red and blue", "(and 'red' 'blue')"),
    (r"\text{red}, \text{blue}", "list('red', 'blue')"),
    ("odd or even", "(or 'odd' 'even')"),
    ("June 5", "'june 5'"),
    ("the x-axis", "'the x-axis'"),
    (r"x\text{-axis}", "'x-axis'"),
    ("DNE", "'dne'"),
    ("None of the above", "'none of the above'"),
]
SPELLING_NOISE = [
    ("= x", "x"),
    ("\u2248 x", "x"),
    ("$x$", "x"),
    (r"\(x\)", "x"),
    (r"\[x\]", "x"),
    ("$$x$$", "x"),
    ("x.", "x"),
    ("**x**", "x"),
    (r"\displaystyle x", "x"),
    (r"\left(x\right)", "x"),
    (r"x\,", "x"),
    (r"\ x", "x"),
    ("$x", "x"),
    ("x$", "x"),
    (r"\\frac{1}{2}", "(/ 1 2)"),
    (r"-2 \\le x \\le 7", "(-2 <= x <= 7)"),
    (r"\\left(\\frac{4}{5},1\\right)", "((/ 4 5), 1)"),
    (r"\boxed{x}", "x"),
    ("{x}", "x"),
    ("{{x}}", "x"),
    (r"\color{red}x", "x"),
    (r"\textcolor{red}{x}", "x"),
    (r"x \quad", "x"),
    (r"x\tag{1}", "x"),
    (r"x\hspace{2}", "x"),
    (r"x\vspace{2}", "x"),
    (r"\phantom{-}x", "x"),
    (r"x=1,\quady=2", "list((x = 1), (y = 2))"),
]
UNREADABLE = [
    "",
    "-",
    "=",
    "$",
    "1 2",
    "1 2 3",
    "2 000",
    "1.2.3",
    "--5",
    "+-+5",
    "5+",
    "(1",
    "1)",
    "[1",
    "{1",
    "|1",
    r"\frac{1}",
    r"\frac123",
    r"\sqrt",
    r"\left(1",
    "5 is wrong",
    "x is 5",
    "5 or more",
    "5 and not 6",
    "5 or",
    "or 5",
    ",",
    "3.14...",
    "2.718281828...",
    "0.3...",
    "5%%",
    "5'",
    "x/2y",
    "x!=1",
    "x=1 y=2",
    "(1,2)(3,4)",
    "$5 per",
    "2^",
    "2^2 3",
    "3! 2",
    "3^n4",
    r"\pi r 2",
    r"5\hspace 2",
    r"5\phantom{3}",
    r"5\hphantom{3}",
    r"\coth^{-1} x",
    r"\begin{foo}1&2\end{foo}",
    "^2",
    "_2",
    "x_",
    "5 cm 3",
    "5_2",
    "129_8",
    r"\unknown{x}",
    r"\begin{pmatrix}1 & 2 \\ 3\end{pmatrix}",
    r"\begin{pmatrix}1",
    r"\end{pmatrix}",
    "open('marker', 'w').write('x') or 0",
    "(1).__class__.__mro__[1].__subclasses__() or 0",
    "__import__('os').system('ls')",
    "globals()['__builtins__']['open']('m', 'w') or 0",
    "().__class__.__base__.__subclasses__()",
    "[open('marker', 'w') for _ in [0]] or 0",
    "x @ y",
    "{5: 3}",
    "\u0665",
    "3 dozen",
    "10 halves",
]


@pytest.mark.parametrize(("text", "meaning"), NUMBERS)
def test_numbers_are_exact_in_every_spelling(text: str, meaning: str) -> None:
    assert outline(parse(text)) == meaning


@pytest.mark.parametrize(("text", "meaning"), LISTS_OF_NUMBERS)
def test_commas_join_thousands_only_where_they_cannot_separate(text: str, meaning: str) -> None:
    assert outline(parse(text)) == meaning


@pytest.mark.parametrize(("text", "meaning"), FRACTIONS_AND_ROOTS)
def test_fractions_and_roots(text: str, meaning: str) -> None:
    assert outline(parse(text)) == meaning


@pytest.mark.parametrize(("text", "meaning"), POWERS_AND_PRODUCTS)
def test_powers_signs_and_products(text: str, meaning: str) -> None:
    assert outline(parse(text)) == meaning


@pytest.mark.parametrize(("text", "meaning"), NAMES)
def test_names(text: str, meaning: str) -> None:
    assert outline(parse(text)) == meaning


@pytest.mark.parametrize(("text", "meaning"), FUNCTIONS)
def test_functions(text: str, meaning: str) -> None:
    assert outline(parse(text)) == meaning


@pytest.mark.parametrize(("text", "meaning"), BIG_OPERATORS)
def test_operators_with_bounds(text: str, meaning: str) -> None:
    assert outline(parse(text)) == meaning


@pytest.mark.parametrize(("text", "meaning"), BRACKETS)
def test_brackets_and_sets(text: str, meaning: str) -> None:
    assert outline(parse(text)) == meaning


@pytest.mark.parametrize(("text", "meaning"), MATRICES)
def test_matrices_and_cases(text: str, meaning: str) -> None:
    assert outline(parse(text)) == meaning


@pytest.mark.parametrize(("text", "meaning"), RELATIONS)
def test_relations(text: str, meaning: str) -> None:
    assert outline(parse(text)) == meaning


@pytest.mark.parametrize(("text", "meaning"), ALTERNATIVES)
def test_lists_and_alternatives(text: str, meaning: str) -> None:
    assert outline(parse(text)) == meaning


@pytest.mark.parametrize(("text", "meaning"), QUANTITIES)
def test_quantities(text: str, meaning: str) -> None:
    assert outline(parse(text)) == meaning


@pytest.mark.parametrize(("text", "meaning"), LETTERS_THAT_ARE_NO_UNITS)
def test_a_single_letter_after_a_number_stays_a_variable(text: str, meaning: str) -> None:
    assert outline(parse(text)) == meaning


@pytest.mark.parametrize(("text", "meaning"), WORDS)
def test_words_are_answers_too(text: str, meaning: str) -> None:
    assert outline(parse(text)) == meaning


@pytest.mark.parametrize(("text", "meaning"), SPELLING_NOISE)
def test_spelling_noise_changes_nothing(text: str, meaning: str) -> None:
    assert outline(parse(text)) == meaning


@pytest.mark.parametrize("text", UNREADABLE)
def test_what_cannot_be_read_whole_is_not_read(text: str) -> None:
    assert parse(text) is None


WRITTEN_IN_LATEX = [text for text, _ in FRACTIONS_AND_ROOTS + FUNCTIONS + BRACKETS + RELATIONS + MATRICES]


@pytest.mark.parametrize(
    "wrapping", ["$%s$", "$$%s$$", r"\(%s\)", r"\[%s\]", "%s.", " %s ", r"\boxed{%s}", "**%s**"]
)
def test_delimiters_boxes_and_the_full_stop_change_nothing(wrapping: str) -> None:
    for text in WRITTEN_IN_LATEX:
        assert parse(wrapping.replace("%s", text)) == parse(text), text


def test_escaping_every_backslash_twice_changes_nothing() -> None:
    for text in WRITTEN_IN_LATEX:
        if re.search(r"(?<!\\)\\[A-Za-z]{2}", text):
            assert parse(text.replace("\\", "\\\\")) == parse(text), text


def test_sizing_of_brackets_changes_nothing() -> None:
    for text, _ in BRACKETS:
        sized = re.sub(r"(\\\{|[(\[])", r"\\left\1", re.sub(r"(\\\}|[)\]])", r"\\right\1", text))
        if "\\left\\left" not in sized:
            assert parse(sized) == parse(text), text
