"""Pairs of answers as people write them, each judged in both directions."""

from __future__ import annotations

import contextlib
import time

import pytest

from verifiers.expressions.compare import NeedsAlgebra, canonical, same
from verifiers.expressions.parser import parse
from verifiers.policy import DEFAULT, LimitExceeded, Policy


def judge(a: str, b: str, policy: Policy = DEFAULT, *, algebra: bool = False) -> bool | None:
    first, second = parse(a), parse(b)
    assert first is not None, a
    assert second is not None, b
    return same(first, second, policy, algebra=algebra)[0]


EQUAL = [
    # numbers
    (r"\frac{10}{9}", "10/9"),
    ("2^{10}", "1024"),
    (r"\frac{\sqrt{8}}{2}", r"\sqrt{2}"),
    (r"3\sqrt{13}", r"\sqrt{117}"),
    (r"\frac{2+\sqrt3}{4}", r"\frac{\sqrt3+2}{4}"),
    (r"\frac{9}{4}\pi", r"\frac{9\pi}{4}"),
    (r"\frac{1}{1+\sqrt2}", r"\sqrt2-1"),
    (r"\frac{1}{\sqrt[3]{2}-1}", r"1+\sqrt[3]{2}+\sqrt[3]{4}"),
    (r"\sqrt{5+2\sqrt6}", r"\sqrt2+\sqrt3"),
    (r"\sqrt[3]{\sqrt5+2}-\sqrt[3]{\sqrt5-2}", "1"),
    (r"\sqrt{2+\sqrt{3}}", r"\frac{\sqrt6+\sqrt2}{2}"),
    (r"\frac{6\sqrt{1789-240\sqrt{21}}+8\sqrt{1236-240\sqrt{21}}}{5}", r"96-10\sqrt{21}"),
    (r"\sqrt[3]{-8}", "-2"),
    (r"(-8)^{1/3}", "-2"),
    (r"\cos\frac{\pi}{7}-\cos\frac{2\pi}{7}+\cos\frac{3\pi}{7}", r"\frac12"),
    (r"\sin 15^\circ", r"\frac{\sqrt6-\sqrt2}{4}"),
    (r"\arctan 1", r"\frac{\pi}{4}"),
    (r"4\arctan\frac15-\arctan\frac1{239}", r"\frac{\pi}{4}"),
    (r"\log_2 8", "3"),
    (r"\log 100", "2"),
    (r"\ln 8", r"3\ln 2"),
    (r"\log_3 2", r"\frac{\ln 2}{\ln 3}"),
    ("e^{2\\ln 3}", "9"),
    (r"\binom{10}{3}", "120"),
    (r"\frac{2004!}{2003!}", "2004"),
    (r"\sum_{k=1}^{100} k", "5050"),
    (r"\sqrt2", "1.4142135623730951"),
    (r"\pi", "3.14159265"),
    (r"\sqrt2", "1.41421"),
    # complex numbers
    ("3+4i", "4i+3"),
    ("(1+i)^2", "2i"),
    (r"\frac{1}{i}", "-i"),
    (r"e^{i\pi/3}", r"\frac{1+i\sqrt3}{2}"),
    (r"\sqrt{-4}", "2i"),
    ("|3+4i|", "5"),
    # expressions
    ("x+1", "1+x"),
    ("(r+5)^2", "(r+5)(r+5)"),
    ("(x+1)^3", "x^3+3x^2+3x+1"),
    (r"\frac{x^2-1}{x-1}", "x+1"),
    (r"\frac{x+2}{7}", r"\frac{x}{7}+\frac{2}{7}"),
    (r"\frac{1}{x}+\frac{1}{y}", r"\frac{x+y}{xy}"),
    (r"\tan^2(y)+1", r"\sec^2(y)"),
    (r"\frac{1}{\sin x\cos x}-\tan x", r"\cot x"),
    (r"\sin 2x", r"2\sin x\cos x"),
    (r"\sqrt{x^2}", "|x|"),
    (r"\sqrt{xy}", r"\sqrt{x}\sqrt{y}"),
    (r"\frac{1}{3\sqrt[3]{x}^2}", r"\frac{1}{3x^{2/3}}"),
    (r"36x\sqrt{35x}", r"36\sqrt{35x^3}"),
    ("2^{x+1}", r"2\cdot 2^x"),
    ("4^x", "2^{2x}"),
    (r"\ln(xy)", r"\ln x+\ln y"),
    (r"\frac{(n+1)!}{n!}", "n+1"),
    (r"\binom{n}{2}", r"\frac{n(n-1)}{2}"),
    (r"\sqrt{x-10}+1", r"1+\sqrt{x-10}"),
    ("f(x)+g(y)", "g(y)+f(x)"),
    (r"\frac{\sin^2 x}{2}+C", r"-\frac{\cos 2x}{4}+C"),
    # labels and equations
    ("x=5", "5"),
    ("5=x", "x = 5"),
    ("f(x)=x^2", "x^2"),
    ("f(y)=y", "f(x)=x"),
    ("y=x^2+2x+1", "2x+1+x^2"),
    ("y=2x", "f(x)=2x"),
    ("|AB|=1", "1"),
    ("AB=4", "4"),
    ("P(A)=\\frac12", "0.5"),
    ("x=5+5+1=7=11", "x=11"),
    ("2+3=5", "5"),
    ("(p,q,r)=(3,2,7)", "(3,2,7)"),
    ("2x+3y=0", "4x+6y=0"),
    ("y=2x+3", "2x-y+3=0"),
    ("y=\\frac1x", "xy=1"),
    ("\\frac x2+\\frac y3=1", "3x+2y=6"),
    ("(x-1)^2+y^2=4", "x^2-2x+y^2=3"),
    # inequalities and sets of reals
    ("x<1", "-x>-1"),
    ("5\\ge x", "x\\le 5"),
    ("x>2", "(2,\\infty)"),
    ("x\\in[-2,7]", "-2\\le x\\le 7"),
    ("-793<a<10", "(-793,10)"),
    ("1\\le|z|\\le\\frac32", "z\\in[-\\frac32,-1]\\cup[1,\\frac32]"),
    ("x^2<4", "(-2,2)"),
    ("|x-1|>2", "(-\\infty,-1)\\cup(3,\\infty)"),
    ("x\\ne 3", "(-\\infty,3)\\cup(3,\\infty)"),
    ("x<-1 \\text{ or } x>3", "(-\\infty,-1)\\cup(3,\\infty)"),
    ("\\mathbb{R}\\setminus\\{3\\}", "(-\\infty,3)\\cup(3,\\infty)"),
    ("\\mathbb{R}", "(-\\infty,\\infty)"),
    ("[0,1]\\cup[1,2]", "[0,2]"),
    ("[0,2)\\cap(1,3]", "(1,2)"),
    ("\\{-1\\}\\cup[0,7)", "[0,7)\\cup\\{-1\\}"),
    ("(-\\infty,\\sqrt2)", "x<\\frac{2}{\\sqrt2}"),
    ("x+y<2", "4>2y+2x"),
    ("\\{x \\mid x>2\\}", "(2,\\infty)"),
    ("x < a+b", "b+a > x"),
    # lists, points, sets
    ("1,2", "2,1"),
    ("\\{1,2\\}", "1,2"),
    ("\\{1,2,2\\}", "\\{2,1\\}"),
    ("6 \\text{ and } 8", "6, 8"),
    ("21,16 \\text{ or } 11", "21,16,11"),
    ("(11,7) \\text{ or } (7,11)", "(7,11), (11,7)"),
    ("W(n)=1 \\text{ and } W(n)=-1", "W(x)=1 \\text{ or } W(x)=-1"),
    ("AB=4, CD=5", "4,5"),
    ("x=1,y=2", "y=2,x=1"),
    ("(x,y)=(1,2)", "y=2,x=1"),
    ("x=1,y=2", "(1,2)"),
    ("\\pm 2021", "-2021, 2021"),
    ("1\\pm\\sqrt{19}", "1+\\sqrt{19}, 1-\\sqrt{19}"),
    ("x=\\frac{2\\pm\\sqrt{76}}{2}", "1\\pm\\sqrt{19}"),
    ("\\frac12 \\text{ or } 0.5", "\\frac12"),
    ("\\{5\\}", "5"),
    ("\\begin{pmatrix}1\\\\2\\end{pmatrix}", "(1,2)"),
    ("x=\\frac\\pi4+n\\pi, n\\in\\mathbb{Z}", "x=\\frac\\pi4+k\\pi, k\\in\\mathbb{Z}"),
    ("\\emptyset", "\\{\\}"),
    ("\\text{no solution}", "\\emptyset"),
    # matrices, ratios, times
    (
        "\\begin{pmatrix}6&8\\end{pmatrix}",
        "\\begin{pmatrix}1&2\\end{pmatrix}+\\begin{pmatrix}5&6\\end{pmatrix}",
    ),
    ("\\begin{pmatrix}\\frac12&0\\end{pmatrix}", "\\frac12\\begin{pmatrix}1&0\\end{pmatrix}"),
    ("1:2", "2:4"),
    ("0:1:2", "0:2:4"),
    ("12:00", "12:00"),
    # units and percent
    ("90^\\circ", "90"),
    ("90^\\circ", "\\frac\\pi2"),
    ("5\\text{ m}", "500\\text{ cm}"),
    ("1\\text{ hour}", "60\\text{ minutes}"),
    ("1\\text{ hour } 30\\text{ minutes}", "90\\text{ minutes}"),
    ("1\\text{ hour } 30\\text{ minutes}", "90"),
    ("\\$10", "10"),
    ("10\\%", "10"),
    ("33.5\\%", "0.335"),
    ("125\\text{ miles}", "125"),
    # words
    ("\\text{Even}", "even"),
    ("\\text{e}", "e"),
    ("3_{10}", "3"),
    ("0<f(x)\\le 1", "(0,1]"),
    ("(\\pm1,\\pm2)", "(1,2),(1,-2),(-1,2),(-1,-2)"),
    ("x=0 \\text{ or } x=\\pm 1", "-1,0,1"),
    ("x\\equiv 3\\pmod 5", "x\\equiv 8\\pmod 5"),
    ("3\\pmod 5", "x\\equiv 3\\pmod 5"),
    ("f(x)=\\begin{cases}x&x>0\\\\-x&x\\le0\\end{cases}", "\\begin{cases}-x&x\\le0\\\\x&x>0\\end{cases}"),
    ("\\frac{dy}{dx}=2x", "2x"),
    ("x=\\frac{9\\pi}{4}\\approx 7.07", "\\frac{9\\pi}{4}"),
    ("(0,\\infty)", "\\mathbb{R}^+"),
    ("\\text{all real numbers}", "\\mathbb{R}"),
    ("three", "3"),
    ("(-1)^{n+1}", "-(-1)^n"),
    ("(-2)^n", "(-1)^n 2^n"),
    ("\\sqrt[n]{2}", "2^{1/n}"),
    ("\\gcd(m,n)", "\\gcd(n,m)"),
    ("\\frac{n!}{k!(n-k)!}", "\\binom{n}{k}"),
    ("\\arcsin x+\\arccos x", "\\frac{\\pi}{2}"),
    ("a<b<c", "c>b>a"),
    (
        "\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}^{-1}",
        "\\begin{pmatrix}-2&1\\\\\\frac32&-\\frac12\\end{pmatrix}",
    ),
    ("\\det\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}", "-2"),
    ("\\sum_{k=1}^{n}k", "\\frac{n(n+1)}{2}"),
    ("\\langle 1,2\\rangle", "(1,2)"),
    # values with and without their names
    ("(1,2)", "y=2, x=1"),
    ("(3,2)", "b=2, a=3"),
    ("(3,2,1)", "z=1,y=2,x=3"),
    ("x=-5, p=\\frac{14}{3}", "-5, \\frac{14}{3}"),
    ("x=1,2", "x_1=1,x_2=2"),
    ("\\{1,2\\}", "x_1=2,x_2=1"),
    ("(1,1,1)", "a=b=c=1"),
    ("1,1,1", "a=b=c=1"),
    ("2:3", "a:b=2:3"),
    ("29", "m+n=29"),
    ("3", "|a-b|=3"),
    ("3", "[ABC]=3"),
    ("3", "\\frac{AB}{CD}=3"),
    ("3", "P(A\\cap B)=3"),
    ("3", "\\mathbb{E}[X]=3"),
    ("\\frac12", "\\sin\\theta=\\frac12"),
    ("x=11", "x=5+5+1=7=11"),
    # functions with kinks
    ("|x-1|", "|1-x|"),
    ("|x-1|", "\\sqrt{x^2-2x+1}"),
    ("|x^2+1|", "x^2+1"),
    ("\\max(a,b)", "\\frac{a+b+|a-b|}{2}"),
    ("\\max(a,b)", "\\max(b,a)"),
    ("\\frac{|x|}{x}", "\\operatorname{sgn}(x)"),
    ("\\gcd(n,6)", "\\gcd(n+6,6)"),
    ("n^2\\bmod 2", "n\\bmod 2"),
    ("\\overline{z+w}", "\\overline z+\\overline w"),
    ("z\\overline{z}", "|z|^2"),
    ("\\overline{x+iy}", "x-iy"),
    ("3\\sin 30^\\circ", "1.5"),
    # constants of integration
    ("\\ln(1-x)+C", "C+\\ln(1-x)"),
    ("\\sqrt{1-x^2}+\\arcsin x+C", "\\arcsin x+\\sqrt{1-x^2}+C"),
    ("\\sqrt{4-x^2}+C", "(4-x^2)^{1/2}+C"),
    ("\\arcsin x+C", "-\\arccos x+C"),
    ("\\frac12\\ln(2x)+C", "\\frac12\\ln x+C"),
    ("2x+C", "2x+c"),
    # conditions that say nothing new
    ("\\frac{\\pi}{4}+k\\pi", "\\frac{\\pi}{4}+n\\pi, n\\in\\mathbb{Z}"),
    ("\\frac1x", "\\frac1x, x\\neq0"),
    # words
    ("\\text{all reals}", "\\text{all real numbers}"),
    ("\\text{No solutions exist}", "\\emptyset"),
    ("\\text{infinitely many}", "\\infty"),
    ("\\text{one half}", "\\frac12"),
    ("\\text{two thirds}", "\\frac23"),
    ("\\text{one hundred}", "100"),
    ("\\text{a dozen}", "12"),
    ("\\text{exactly }3", "3"),
    ("\\text{an ellipse}", "\\text{ellipse}"),
    ("\\text{the x-axis}", "\\text{x-axis}"),
]  # fmt: skip

UNDECIDED = [
    # the order of the names is not the order of the values
    ("1,2", "x_1=2,x_2=1"),
    # numbers that are called equal and are not
    ("5", "4=5"),
    ("5", "x=4=5"),
    ("7", "3\\cdot4=12-5=7"),
    ("29", "m+n=29=30"),
    # an equation, or the value of what was asked for
    ("7", "x+y=7"),
    ("12", "3a+4b=12"),
    ("6", "2a=6"),
    ("\\frac12", "\\sin x=\\frac12"),
    # no set of points tells
    ("\\lfloor\\frac{x}{1000}\\rfloor", "\\lfloor\\frac{x}{2000}\\rfloor"),
    ("\\arctan(\\tan\\frac{x}{1000})", "\\frac{x}{1000}"),
    ("|\\sin x+0.9999|", "\\sin x+0.9999"),
    ("x+1", "x+1, x\\ne 5"),
    # words
    ("\\text{red ball}", "\\text{the blue cube}"),
    ("\\text{odd function}", "\\text{odd}"),
    ("30^\\circ \\text{ and } 150^\\circ", "30,150"),
]  # fmt: skip

DIFFERENT = [
    ("2^{-60}", "2^{-61}"),
    ("e^{-40}", "e^{-41}"),
    ("1-\\frac1e", "1+\\frac1e"),
    ("4", "4\\sqrt2"),
    ("10^{100}+1", "10^{100}"),
    ("\\sqrt{10^{40}+1}", "10^{20}"),
    ("\\frac{1}{2004!}", "\\frac{1}{2006!}"),
    ("2^{100000}", "2^{99999}"),
    ("\\frac{2^{2005}+1}{3\\cdot2^{2006}}", "\\frac{1}{3\\cdot2^{2006}}"),
    ("x+10^{-60}", "x"),
    ("\\sin x+10^{-60}", "\\sin x"),
    ("\\sqrt2+10^{-60}", "\\sqrt2"),
    ("0.0000001", "0.0000002"),
    ("0.333", "\\frac13"),
    ("0.3333333333333333", "\\frac13"),
    ("\\sqrt2", "1.4"),
    ("\\sqrt2", "1.4142"),
    ("\\sqrt2", "1.414214562"),
    ("\\pi", "\\frac{22}{7}"),
    ("5.001", "5"),
    ("e^{\\pi\\sqrt{163}}", "262537412640768744"),
    ("\\sqrt{x^2}", "x"),
    ("\\ln x^2", "2\\ln x+1"),
    ("x^2+2x+1", "x^3+2x+1"),
    ("(a+5)(b+2)", "(+5)(b+2)"),
    ("f(x)+f(y)", "f(x+y)"),
    ("x^2+C", "x^3+C"),
    ("x=5", "y=5"),
    ("x=z", "x=y"),
    ("a^2+b=0", "0"),
    ("2x+3y=0", "2x+3y=1"),
    ("x^2y=x", "xy=1"),
    ("x>5", "x<5"),
    ("x\\ge 5", "x>5"),
    ("x>5", "5"),
    ("x+y<2", "x+y>2"),
    ("[-3,2]", "(-\\infty,-3]\\cup[2,\\infty)"),
    ("(1,2)", "[1,2]"),
    ("[1,2)", "(1,2]"),
    ("(1,2)", "(2,1)"),
    ("1,2", "1,2,3"),
    ("1,1,2", "1,2,2"),
    ("(1,2)", "\\{1,2\\}"),
    ("AB=4, CD=5", "5,4"),
    ("(x,y)=(1,2)", "x=2,y=1"),
    ("\\pm 2021", "2021"),
    ("2", "[]"),
    ("2", "[0]"),
    ("2", "(0,1)"),
    ("2", "\\text{two apples}"),
    ("x\\in[-2,7]", "12"),
    ("D=(0,1)", "D=(0,1.5)"),
    ("1,2,\\ldots,n", "1,3,5,\\ldots,2n-1"),
    ("1:2", "2:1"),
    ("0:1:2", "0:5:1"),
    ("1:2", "0:0"),
    ("12:00", "12:30"),
    ("11_2", "3"),
    ("11_2", "11"),
    ("11_2", "11_3"),
    ("5\\text{ m}", "5\\text{ cm}"),
    ("5\\text{ m}", "5\\text{ seconds}"),
    ("5\\text{ cm}^2", "5\\text{ cm}"),
    ("10\\%", "0.2"),
    ("9\\%", "0.09\\%"),
    ("\\text{odd}", "\\text{even}"),
    ("d", "\\text{E}"),
    ("\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}", "\\begin{pmatrix}1&2\\\\3&5\\end{pmatrix}"),
    ("\\begin{pmatrix}1&2\\end{pmatrix}", "\\begin{pmatrix}1\\\\2\\end{pmatrix}"),
    ("\\infty", "-\\infty"),
    ("\\infty", "10^{100}"),
    ("i", "-i"),
    ("x\\equiv 3\\pmod 5", "x\\equiv 3\\pmod 7"),
    ("x\\equiv 3\\pmod 5", "x\\equiv 4\\pmod 5"),
    ("3\\pmod 5", "3\\pmod 7"),
    ("x<-3 \\text{ or } x>5", "x<-3 \\text{ and } x>5"),
    ("x=k\\pi, k\\in\\mathbb{Z}", "x=2n\\pi, n\\in\\mathbb{Z}"),
    ("\\ln x", "\\log_{10} x"),
    ("f(x)=2x", "g(x)=2x"),
    ("2x", "2x+C"),
    ("\\emptyset", "0"),
    ("x_1", "x_2"),
    ("x\\ne 3", "x=3"),
    ("\\frac12 \\text{ or } 0.6", "\\frac12"),
    ("\\text{two}", "3"),
    ("x<-3 \\text{ and } x>5", "(3,2)"),
    ("y=2x", "f'(x)=2x"),
    ("x=1,y=2", "\\{1,2\\}"),
    ("n\\pi, n\\in\\mathbb{Z}", "n\\pi, w\\in\\mathbb{Z}"),
    ("(5\\text{ m})^2", "25\\text{ m}"),
    ("2x+c", "2x+1+c"),
    ("\\tan\\frac{\\pi}{2}", "0"),
    ("1\\text{ hour } 30\\text{ minutes}", "91"),
    ("f(x)=x^2", "(0,\\infty)"),
    ("\\begin{cases}x&x>0\\\\-x&x\\le0\\end{cases}", "5"),
    ("x\\equiv 3\\pmod 5", "x=3"),
    ("f(y)=y", "f(Y)=y"),
    ("\\pm 2021", "\\pm 2020\\le 2021"),
    ("\\lfloor x\\rfloor", "\\lceil x\\rceil-1"),
    ("n!\\sin(\\pi x)", "0"),
    ("(-1)^n", "(-1)^{n+1}"),
    ("(-1)^{n+k}", "1"),
    # values and their names
    ("(2,1)", "x=1, y=2"),
    ("(1,2)", "x=1 \\text{ or } x=2"),
    ("(1,2)", "x=1,2"),
    ("p=2, q=3", "3,2"),
    ("(1,1,2)", "a=b=c=1"),
    ("2:3", "a:b=3:2"),
    ("29", "m+n=28"),
    ("25", "x^2+y^2=25"),
    ("\\frac12", "\\sin\\theta=\\frac13"),
    # functions with kinks, periods and jumps
    ("|x+50|", "x+50"),
    ("|x-700|", "700-x"),
    ("|xy|", "xy"),
    ("|ab|", "ab"),
    ("\\sqrt{(x+60)^2}", "x+60"),
    ("\\sqrt{x^2+120x+3600}", "x+60"),
    ("\\max(n,100)", "100"),
    ("\\min(x,-50)", "-50"),
    ("n\\bmod 30", "n"),
    ("\\gcd(n,29)", "1"),
    ("\\operatorname{sgn}(x+50)", "1"),
    ("\\arctan(x-700)+\\arctan\\frac{1}{x-700}", "-\\frac{\\pi}{2}"),
    ("\\overline{z}", "z"),
    ("\\overline{z}+z", "2z"),
    # degrees are part of the number
    ("\\tan 1^\\circ", "\\tan 1"),
    ("\\cos 1", "\\cos 1^\\circ"),
    # sets in sets
    ("\\{\\emptyset\\}", "\\emptyset"),
    ("\\{1,\\{2\\}\\}", "\\{1,2\\}"),
    ("\\{\\{1\\}\\}", "\\{1\\}"),
    ("x\\in(1,2)", "1,2"),
    ("(5,\\infty)", "(1,2,3)"),
    # constants of integration
    ("\\ln(1-x)+C", "C+\\ln(2-x)"),
    ("\\sqrt{x-200}+C", "2\\sqrt{x-200}+C"),
    ("x^2+C", "x^3+c"),
    # words
    ("\\text{circle}", "\\text{ellipse}"),
    ("\\text{at least 3}", "3"),
]  # fmt: skip


@pytest.mark.parametrize(("a", "b"), EQUAL)
def test_the_same_answer_in_another_form_is_equal_both_ways(a: str, b: str) -> None:
    assert judge(a, b) is True
    assert judge(b, a) is True


@pytest.mark.parametrize(("a", "b"), DIFFERENT)
def test_another_answer_is_different_both_ways(a: str, b: str) -> None:
    assert judge(a, b) is False
    assert judge(b, a) is False


@pytest.mark.parametrize(("a", "b"), UNDECIDED)
def test_what_nothing_here_can_tell_is_undecided_both_ways(a: str, b: str) -> None:
    assert judge(a, b) is None
    assert judge(b, a) is None


@pytest.mark.parametrize("a", [answer for pair in EQUAL + DIFFERENT + UNDECIDED for answer in pair])
def test_every_answer_is_itself(a: str) -> None:
    assert judge(a, a) is True


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("\\int_0^2 x\\,dx", "2"),
        ("\\lim_{x\\to 0}\\frac{\\sin x}{x}", "1"),
        ("\\sum_{k=1}^{\\infty}\\frac{1}{k^2}", "\\frac{\\pi^2}{6}"),
    ],
)
def test_calculus_waits_for_permission_to_use_algebra(a: str, b: str) -> None:
    with pytest.raises(NeedsAlgebra):
        judge(a, b)
    assert judge(a, b, algebra=True) is True


def test_calculus_with_another_result_is_different() -> None:
    assert judge("\\int_0^2 x\\,dx", "3", algebra=True) is False


def test_what_neither_side_proves_is_undecided() -> None:
    assert judge("5\\text{ apples}", "5\\text{ fruits}") is None
    assert judge("1,2,\\ldots,n", "1,2,4,\\ldots,n") is None


def test_powers_of_powers_are_refused_and_not_computed() -> None:
    with pytest.raises(LimitExceeded):
        judge("9^{9^{9^9}}", "5")


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("*".join(rf"\sin({i}x)" for i in range(2, 60)), "*".join(rf"\sin({i}x)" for i in range(59, 1, -1))),
        ("(a+b+c+d+f+g)^{40}", "(g+f+d+c+b+a)^{40}"),
        (r"\sum_{i=1}^{900}\sqrt{i}", r"0+\sum_{i=1}^{900}\sqrt{i}"),
    ],
)
def test_an_expensive_proof_is_left_to_the_process_that_can_be_killed(a: str, b: str) -> None:
    started = time.process_time()
    with pytest.raises(NeedsAlgebra):
        judge(a, b)
    assert time.process_time() - started < 10


MANY_SUMS = ",".join(rf"\sum_{{k=1}}^{{999}}\frac{{\sin(kx)}}{{k+{i}}}" for i in range(30))
MANY_POWERS = ",".join(f"(a+b+c+d)^9+10^{{-{3 * i}}}" for i in range(30))


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (r"\{1\}", r"\{" + MANY_SUMS + r"\}"),
        (r"\{1\}", r"\{" + MANY_POWERS + r"\}"),
        (",".join(f"x^2+y>{i}" for i in range(188)), ",".join(f"x^2+y>{i}" for i in reversed(range(188)))),
        (",".join(f"x^2+y>{i}" for i in range(188)), ",".join(f"y+x^2>{i}" for i in reversed(range(188)))),
        (
            "+".join(f"|x^8-{i}x+y|" for i in range(1, 40)),
            "+".join(f"|{i}x-y-x^8|" for i in range(1, 40)),
        ),
    ],
)
def test_one_pair_of_answers_has_one_budget_for_all_its_parts(a: str, b: str) -> None:
    started = time.process_time()
    with contextlib.suppress(NeedsAlgebra, LimitExceeded):
        judge(a, b)
    assert time.process_time() - started < 5


def test_items_with_and_without_units_are_matched_as_a_whole() -> None:
    assert judge("1\\text{ m}, 1", "1, 1\\text{ hour}") is True
    assert judge("1\\text{ m}, 2", "1, 1\\text{ hour}") is False
    assert judge("30^\\circ \\text{ and } 50^\\circ", "50, 30") is True


def test_a_list_is_ordered_when_the_policy_says_so() -> None:
    assert judge("1,2", "2,1", Policy(ordered=True)) is False


def test_percent_is_a_fraction_when_the_policy_says_so() -> None:
    assert judge("10\\%", "10", Policy(percent="fraction")) is False
    assert judge("10\\%", "0.1", Policy(percent="fraction")) is True


def test_units_may_be_required_or_ignored() -> None:
    assert judge("5\\text{ m}", "5", Policy(units="strict")) is False
    assert judge("5\\text{ m}", "500\\text{ cm}", Policy(units="strict")) is True
    assert judge("5\\text{ m}", "5\\text{ cm}", Policy(units="ignore")) is True
    assert judge("\\sqrt2", "\\sqrt2\\text{ units}", Policy(units="strict")) is False
    assert judge("10:30", "10:30 am", Policy(units="strict")) is False


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        ("\\frac12", "\\frac24"),
        ("5", "2+3"),
        ("\\cot x", "\\frac{1}{\\sin x\\cos x}-\\tan x"),
        ("2", "\\sqrt4"),
        ("\\frac{x}{2}", "\\frac{2x}{4}"),
        ("2x", "x+x"),
        ("x+1", "x+1+0"),
        ("3\\sqrt2", "\\sqrt2+\\sqrt8"),
    ],
)
def test_work_left_to_do_is_no_answer_when_simple_form_is_asked(gold: str, answer: str) -> None:
    assert judge(gold, answer) is True
    assert judge(gold, answer, Policy(simplified=True)) is False


@pytest.mark.parametrize(
    "answer",
    [
        "\\frac12",
        "1\\frac12",
        "\\frac{\\sqrt3}{2}",
        "x^2+2x+1",
        "-\\frac34",
        "2\\pi",
        "\\frac{x+1}{2}",
        "1+\\sqrt2",
    ],
)
def test_a_finished_answer_is_simple(answer: str) -> None:
    assert judge(answer, answer, Policy(simplified=True)) is True


def name(answer: str) -> str | None:
    node = parse(answer)
    assert node is not None
    return canonical(node)


def test_equal_answers_share_a_name() -> None:
    assert name("x=\\frac{2}{4}") == name("0.5") == name("50\\%".replace("50", "0.5"))
    assert name("3\\sqrt{13}") == name("\\sqrt{117}")
    assert name("(x+1)^2") == name("x^2+2x+1")
    assert name("2,1") == name("1,2")


def test_different_answers_do_not_share_a_name() -> None:
    answers = [
        "x=2,y=1",
        "x=1,y=2",
        "3\\pmod 5",
        "3\\pmod 7",
        "1,2",
        "(1,2)",
        "[1,2]",
        "\\sqrt{x^2}",
        "x",
        "|x|",
        "2\\pi",
        "11_2",
        "11",
        "\\text{no}",
        "i",
        "-i",
    ]
    names = [name(answer) for answer in answers]
    assert len({n for n in names if n is not None}) == len([n for n in names if n is not None])
